"""Swap for a host with little memory."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass

from ...contract.base import Change, Resource
from ...hostkit.linux import filesystem, system
from ...hostkit.linux.container import container

_FILE, _UNIT = "/swapfile", "/etc/systemd/system/swapfile.swap"
_MIB = 1024 * 1024
# Hosts with at least this much memory get no swap.
_ENOUGH = 2048 * _MIB
_SMALLEST = 256 * _MIB
_FILE_SYSTEMS = ("ext4", "ext3", "xfs")
_TEXT = f"[Unit]\nDescription=Swap of hostsmith\n\n[Swap]\nWhat={_FILE}\n\n[Install]\nWantedBy=swap.target\n"


@dataclass(frozen=True)
class Swap(Resource):
    """A swap file as large as the memory, if that is below 2 GiB, there is no swap, and the disk has space for it."""

    def describe(self) -> str:
        return "swap"

    def check(self) -> Change | None:
        size = swap_size(
            (filesystem.read("/proc/meminfo") or b"").decode(),
            (filesystem.read("/proc/mounts") or b"").decode(),
            os.statvfs("/").f_bavail * os.statvfs("/").f_frsize,
        )
        if container() or not size or os.path.lexists(_FILE):
            return None
        return Change(f"{size // _MIB} MiB in {_FILE}", lambda: _make(size), _unmake)


def swap_size(meminfo: str, mounts: str, free: int) -> int:
    """Return the bytes of swap that a host should get; 0 for none.

    :param meminfo, mounts: /proc/meminfo and /proc/mounts.
    :param free: free bytes on the file's file system.
    """
    kinds = [fields[2] for line in mounts.splitlines() if (fields := line.split())[1] == "/"]
    memory, swap = (_bytes(meminfo, name) for name in ("MemTotal", "SwapTotal"))
    if swap or memory >= _ENOUGH or not kinds or kinds[-1] not in _FILE_SYSTEMS:
        return 0
    # At most a quarter of the free space: a full disk is worse than little swap.
    size = min(memory, free // 4) // _MIB * _MIB
    return size if size >= _SMALLEST else 0


def _bytes(meminfo: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _make(size: int) -> None:
    handle = os.open(_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(handle, 0, size)
    finally:
        os.close(handle)
    system.run(["mkswap", _FILE])
    filesystem.write_atomic(_UNIT, _TEXT.encode(), mode=0o644)
    system.run(["systemctl", "daemon-reload"])
    system.run(["systemctl", "enable", "--now", "swapfile.swap"])


def _unmake() -> None:
    system.run(["systemctl", "disable", "--now", "swapfile.swap"], ok=range(256))
    for path in (_UNIT, _FILE):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
