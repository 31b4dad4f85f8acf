"""What the processes of a supervisor group have left behind: children that outlived them or went into the background.

supervisord ends a process, and by SIGKILL its process group. A child in a session of its own, or one whose parent has
ended before it, goes on, and may hold on to the app's socket, its port or its database.
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

# Seconds to end when asked, at least, and when killed.
_ASKED, _KILLED = 2.0, 5.0


def end(group: str, users: Collection[str], patience: float = _ASKED) -> None:
    """End all that still runs of a group whose processes supervisord has stopped: first asked, then forced.

    :param users: those who ran it: anybody's process can say that it is of the group. None known: whoever's.
    :param patience: seconds that they have left to finish what they are at.
    :raises ResourceError: it does not end.
    """
    uids = {str(system.uid(user)) for user in users}
    for signum, seconds in ((signal.SIGTERM, max(patience, _ASKED)), (signal.SIGKILL, _KILLED)):
        deadline = time.monotonic() + seconds
        asked: set[int] = set()
        while pids := _of(group, uids):
            # One that was begotten meanwhile is asked, too.
            for pid in pids - asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            asked |= pids
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
    if pids:
        raise ResourceError(f"of {group} these processes do not end, not even killed: {', '.join(map(str, pids))}")


def _of(group: str, uids: Collection[str]) -> set[int]:
    """Processes of users that descend from a group's: supervisord puts its name into the environment of the first."""
    mark = f"\0SUPERVISOR_GROUP_NAME={group}\0".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        # A process may end while we look; the environment of a dead one is empty.
        with contextlib.suppress(OSError):
            if (not uids or _owner(path.with_name("status")) in uids) and mark in b"\0" + path.read_bytes():
                found.add(int(path.parent.name))
    return found


def _owner(status: Path) -> str:
    """The real user of a process (proc(5))."""
    text = status.read_text(encoding="utf-8", errors="replace")
    return next(line.split()[1] for line in text.splitlines() if line.startswith("Uid:"))
