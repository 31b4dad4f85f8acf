"""Debian's package database and apt: what is installed, and installing in one transaction."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..resources.base import ResourceError
from . import system
from .events import note

_STATUS = "/var/lib/dpkg/status"
_LISTS = "/var/lib/apt/lists"
_LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    f"{_LISTS}/lock",
    "/var/cache/apt/archives/lock",
)
# apt takes more than names: a hyphen at the end means to remove the package, "=" and "/" a version of it.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+|/[a-z-]+)?")
# A fresh VPS runs unattended-upgrades for some minutes after its first boot.
_LOCK_WAIT = 600.0


def missing(names: Iterable[str]) -> list[str]:
    """Those of the packages that are not installed, read from dpkg's database in one go."""
    installed = set(_installed())
    return [name for name in names if name not in installed]


def _installed(status: str = _STATUS) -> Iterator[str]:
    """Names of all installed packages, and of the virtual packages that they provide."""
    try:
        text = Path(status).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ResourceError(f"{status} is not there: expected a Debian or Ubuntu host") from None
    for paragraph in text.split("\n\n"):
        if "\nStatus: install ok installed\n" not in paragraph and "\nStatus: hold ok installed\n" not in paragraph:
            continue
        for line in paragraph.split("\n"):
            if line.startswith("Package: "):
                yield line[9:]
            elif line.startswith("Provides: "):
                yield from (word.split()[0] for word in line[10:].split(","))


def install(names: Sequence[str], max_age: float) -> None:
    """Install packages in one transaction, without recommended ones.

    :param max_age: seconds; package lists older than this are refreshed first.
    :raises ResourceError: one is no name; or apt failed, or its lock was not freed in time, in apt's own words.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise ResourceError(f"found {name!r}, expected the name of a package, such as libpq5")
    _wait_for_lock()
    if lists_age() > max_age:
        system.run(["apt-get", "update", "--quiet", "--error-on=any"])
        _wait_for_lock()
    system.run(
        [
            "apt-get",
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            # A configuration file that was changed by hand or by us stays.
            "--option=Dpkg::Options::=--force-confold",
            f"--option=DPkg::Lock::Timeout={_LOCK_WAIT:.0f}",
            # The dot in a name that is not known, such as python3.99, would stand for any letter.
            "--option=APT::Cmd::Pattern-Only=true",
            "--",
            *names,
        ]
    )


def lists_age() -> float:
    """Seconds since the package lists were fetched; infinite when there are none."""
    if not any(Path(_LISTS).glob("*Release")):
        return float("inf")
    # A refresh that finds nothing new leaves the files alone, but touches the folder it works in.
    newest = max(os.stat(path).st_mtime for path in [f"{_LISTS}/partial", _LISTS] if os.path.exists(path))
    return time.time() - newest


def _wait_for_lock() -> None:
    """Wait until no other program holds apt's or dpkg's lock, saying once who does."""
    deadline = time.monotonic() + _LOCK_WAIT
    said = None
    while (holder := _lock_holder()) is not None:
        if holder != said:
            note(f"waiting for apt: it is in use by {_program(holder)} (pid {holder})")
            said = holder
        if time.monotonic() > deadline:
            raise ResourceError(f"apt is still in use by {_program(holder)} (pid {holder}) after {_LOCK_WAIT:.0f} s")
        time.sleep(0.5)


def _lock_holder() -> int | None:
    """Process id of whoever holds one of the locks, asked of the kernel without taking any."""
    layout = "hhqqi4x"
    for path in _LOCKS:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            found = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, asked))
            if found[0] != fcntl.F_UNLCK:
                return int(found[4])
    return None


def _program(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return "another program"
