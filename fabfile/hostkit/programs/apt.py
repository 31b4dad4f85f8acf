"""Debian packages: the installed ones, and installation in one transaction."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...contract.base import ResourceError
from ...contract.events import note
from ..linux import system

_STATUS = "/var/lib/dpkg/status"
_LISTS = "/var/lib/apt/lists"
_LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    f"{_LISTS}/lock",
    "/var/cache/apt/archives/lock",
)
# apt takes more than names: a final hyphen removes the package, "=" and "/" select a version.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+|/[a-z-]+)?")
_ARCHITECTURE = re.compile(r"^([^:=]+):[a-z0-9]+")
_FIELD = re.compile(r"^(Package|Architecture|Version|Provides): (.*)$", re.MULTILINE)
_UPDATES = "/var/lib/dpkg/updates"
# Default limits in seconds; see `install`.
TIMEOUT, LOCK_TIMEOUT = 900, 600
# Seconds without data after which apt tries another address of a mirror, or gives up.
_SILENCE = 30


def missing(names: Iterable[str]) -> list[str]:
    """List the packages that are not installed, by dpkg's database.

    :param names: as apt takes them; with a release, such as x/stable-backports, any installed version counts.
    """
    return _not_among(set(_installed()), names)


def _not_among(installed: set[str], names: Iterable[str]) -> list[str]:
    def is_there(name: str) -> bool:
        # A package for all architectures counts for each.
        return name in installed or _ARCHITECTURE.sub(r"\1:all", name) in installed

    return [name for name in names if not is_there(name.partition("/")[0])]


def _installed(status: str = _STATUS) -> Iterator[str]:
    """Yield all installed packages, as apt takes their names, and the virtual packages that they provide."""
    try:
        text = Path(status).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ResourceError(f"{status} is missing: expected a Debian or Ubuntu host") from None
    for paragraph in text.split("\n\n"):
        if "\nStatus: install ok installed\n" not in paragraph and "\nStatus: hold ok installed\n" not in paragraph:
            continue
        fields = dict(_FIELD.findall(paragraph))
        for name in (fields["Package"], f"{fields['Package']}:{fields.get('Architecture')}"):
            yield from (name, f"{name}={fields.get('Version')}")
        if "Provides" in fields:
            yield from (word.split()[0] for word in fields["Provides"].split(","))


def install(names: Sequence[str], max_age: float, timeout: float = TIMEOUT, lock_timeout: float = LOCK_TIMEOUT) -> None:
    """Install packages in one transaction, without recommended ones.

    :param max_age: seconds; package lists older than this are refreshed first.
    :param timeout: limit in seconds for the download of the lists, and then of the packages. Their installation has
        none: dpkg must not be interrupted.
    :param lock_timeout: seconds to wait for another program that uses apt.
    :raises ResourceError: a name is not valid; or apt failed, took too long, or was not free in time.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise ResourceError(f"found {name!r}, expected the name of a package, such as libpq5")
    _wait_for_lock(lock_timeout)
    _finish()
    if lists_age() > max_age:
        _fetch(["update", "--error-on=any"], timeout)
        _wait_for_lock(lock_timeout)
    # In an unknown name, such as python3.99, the dot would match any letter.
    what = ["install", "--yes", "--no-install-recommends", "--option=APT::Cmd::Pattern-Only=true"]
    _fetch([*what, "--download-only", "--", *names], timeout)
    # Keep configuration files that were changed by hand or by hostsmith.
    options = ["--option=Dpkg::Options::=--force-confold", f"--option=DPkg::Lock::Timeout={lock_timeout:.0f}"]
    system.run(["apt-get", "--quiet", *what, *options, "--", *names])


def _fetch(arguments: Sequence[str], timeout: float) -> None:
    silence = [f"--option=Acquire::{method}::Timeout={_SILENCE}" for method in ("http", "https")]
    try:
        system.run(["apt-get", "--quiet", *silence, *arguments], timeout=timeout)
    except system.TimedOutError as error:
        raise ResourceError(
            f"{error}\nis a mirror unreachable, or very slow? See /etc/apt/sources.list and /etc/apt/sources.list.d"
        ) from error


def _finish() -> None:
    """Finish what dpkg was interrupted in by a kill or a power cut; until then it does nothing else."""
    if os.path.isdir(_UPDATES) and any(name.isdigit() for name in os.listdir(_UPDATES)):
        note("finishing an interrupted run of dpkg")
        system.run(["dpkg", "--force-confold", "--configure", "--pending"])


def lists_age() -> float:
    """Return the seconds since the package lists were fetched; infinite when there are none."""
    if not any(Path(_LISTS).glob("*Release")):
        return float("inf")
    # A refresh without news leaves the files alone, but touches its working folder.
    newest = max(os.stat(path).st_mtime for path in [f"{_LISTS}/partial", _LISTS] if os.path.exists(path))
    return time.time() - newest


def _wait_for_lock(limit: float) -> None:
    """Wait until no other program holds apt's or dpkg's lock; note once which one does.

    A fresh VPS runs unattended-upgrades for some minutes after its first boot.
    """
    deadline = time.monotonic() + limit
    noted = None
    while (holder := _lock_holder()) is not None:
        if holder != noted:
            note(f"waiting up to {limit:g} s for apt: it is in use by {_program(holder)} (pid {holder})")
            noted = holder
        if time.monotonic() > deadline:
            raise ResourceError(
                f"apt is still in use by {_program(holder)} (pid {holder}) after {limit:g} s; "
                "run the same command again when it is done"
            )
        time.sleep(0.5)


def _lock_holder() -> int | None:
    """Ask the kernel for the process that holds one of the locks, without taking any."""
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
