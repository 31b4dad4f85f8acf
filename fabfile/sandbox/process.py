"""Processes that outlive this program: identify them, find their children, kill all."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_POLL = 0.03
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """Identity of a process, distinct from a later one with the same pid."""

    pid: int
    started: str
    boot: str

    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        found = stat(self.pid)
        return (
            found is not None
            and found.started == self.started
            and found.status not in ("Z", "X")
            and self.boot == _BOOT_ID.read_text().strip()
        )


@dataclass(frozen=True)
class Stat:
    """Data of a process in /proc. `started` is in clock ticks since boot; `status` is one letter."""

    parent: int
    status: str
    started: str
    name: str


def running(record: Path) -> ProcessIdentity | None:
    """Find the process of a record, if it runs."""
    try:
        boot, stat = record.read_text().splitlines()[:2]
        process = ProcessIdentity(int(stat.split()[0]), parse_stat(stat).started, boot)
    except (OSError, ValueError, IndexError):
        return None
    return process if process.alive() else None


def kill_tree(pid: int) -> None:
    """Kill the first process of a host and wait until all its descendants are gone.

    It is an `unshare --kill-child`: the kernel kills its namespace with it.
    """
    tree = [(member, stat(member)) for member in (pid, *descendants(pid))]
    send(pid, signal.SIGKILL)
    for member, before in tree:
        while before is not None:
            now = stat(member)
            if now is None or now.started != before.started or now.status in ("Z", "X"):
                break
            time.sleep(_POLL)


def strays(sandbox: str, known: set[int]) -> list[int]:
    """Find the first processes of a sandbox's hosts whose records were deleted."""
    found = []
    mark = re.compile(rb"--machine=%s-\d+" % sandbox.encode())
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(folder.name)
        if Path(os.fsdecode(argv[0])).name == "unshare" and any(map(mark.fullmatch, argv)) and pid not in known:
            found.append(pid)
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def descendants(pid: int) -> list[int]:
    """List the pids of all descendants of a process."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        found = stat(int(folder.name))
        if found:
            parents.setdefault(found.parent, []).append(int(folder.name))
    todo, below = [pid], []
    while todo:
        children = parents.get(todo.pop(), [])
        todo += children
        below += children
    return below


def stat(pid: int) -> Stat | None:
    """Read the data of a process in /proc; None without such a pid."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (OSError, IndexError):
        return None


def parse_stat(line: str) -> Stat:
    """Parse proc_pid_stat(5): the name in parentheses may hold anything, so parse after its end."""
    name, _, rest = line.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Stat(parent=int(fields[1]), status=fields[0], started=fields[19], name=name)
