"""Orphans of a supervisor group: children that outlived their processes.

supervisord stops a process, and by SIGKILL its process group. A child in a separate session, or one whose parent ended
first, keeps running, and may hold the app's socket, port or database.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

from ...contract.base import ResourceError
from ..linux import system

# Seconds to end after SIGTERM, at least, and after SIGKILL.
_ASKED, _KILLED = 2.0, 5.0


def end(group: str, users: Collection[str], patience: float = _ASKED) -> None:
    """Stop the rest of a group whose processes supervisord has stopped: first SIGTERM, then SIGKILL.

    :param users: users who ran it, since any process can claim to be of the group; empty: any user.
    :param patience: seconds left to finish current work.
    :raises ResourceError: a process does not end.
    """
    uids = {str(system.uid(user)) for user in users}
    for signum, seconds in ((signal.SIGTERM, max(patience, _ASKED)), (signal.SIGKILL, _KILLED)):
        deadline = time.monotonic() + seconds
        asked: set[int] = set()
        while pids := _of(group, uids):
            # New children get the signal, too.
            for pid in pids - asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            asked |= pids
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
    if pids:
        raise ResourceError(f"processes of {group} survived SIGKILL: {', '.join(map(str, pids))}")


def _of(group: str, uids: Collection[str]) -> set[int]:
    """Find users' processes that descend from a group: supervisord puts its name into the environment."""
    mark = f"\0SUPERVISOR_GROUP_NAME={group}\0".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        # A process may end in the meantime; the environment of a dead one is empty.
        with contextlib.suppress(OSError):
            if (not uids or _owner(path.with_name("status")) in uids) and mark in b"\0" + path.read_bytes():
                found.add(int(path.parent.name))
    return found


def _owner(status: Path) -> str:
    """Return the real user of a process (proc(5))."""
    text = status.read_text(encoding="utf-8", errors="replace")
    return next(line.split()[1] for line in text.splitlines() if line.startswith("Uid:"))
