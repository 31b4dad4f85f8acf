"""The host's lock: one run changes a host at a time, and everyone can see which.

It is an flock(2) held by the process on the host, so the kernel frees it on any exit, kill -9 and power cut included.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from typing import Any

from ..contract import events
from ..contract.base import ResourceError

PATH = "/run/hostsmith.lock"


class LockedError(Exception):
    """Another run holds the lock; `holder` says which."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(describe(holder))
        self.holder = holder


def acquire(holder: dict[str, Any], wait: float, path: str = PATH) -> int:
    """Take the lock for the rest of this process's life.

    :param holder: what to tell others: "who", "what"; and "app", that of the deployers who take it.
    :param wait: seconds to wait for another run to end, saying once which one it is.
    :returns: the file descriptor that holds it.
    :raises LockedError: the other run was not done in time.
    """
    # Root's alone: flock(2) asks for no more than to read, and so an app could keep everyone from deploying.
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait
    said = False
    while not _try(fd):
        found = read(path)
        if time.monotonic() >= deadline:
            os.close(fd)
            raise LockedError(found)
        if not said:
            events.note(f"waiting up to {wait:g} s for {describe(found)}")
            said = True
        time.sleep(0.1)
    if found := read(path):
        # Only one that ends as it should takes its name away.
        events.note(f"{describe(found)} was cut off, and this run takes its place")
    text = json.dumps({**holder, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())})
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)
    return fd


def release(fd: int) -> None:
    """Free the lock of a run that ends as it should."""
    os.ftruncate(fd, 0)
    os.close(fd)


def is_held(fd: int) -> bool:
    """Whether the lock still keeps others out: it does not when somebody has removed its file."""
    return os.fstat(fd).st_nlink > 0


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(path: str = PATH) -> dict[str, Any]:
    """What the holder wrote; empty in the moment before it did."""
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return dict(json.load(file))
    return {}


def describe(holder: dict[str, Any]) -> str:
    """A holder in words."""
    if not {"who", "what", "since", "pid"} <= holder.keys():
        return "another run"
    # Who it is they say themselves; whose deployer they are, the gate.
    deployer = f", a deployer of {holder['app']}" if holder.get("app") else ""
    return f"{holder['what']} by {holder['who']}{deployer} since {holder['since']} (pid {holder['pid']})"


def holder(path: str = PATH) -> dict[str, Any] | None:
    """Who holds the lock now; None when nobody does."""
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDWR)
        try:
            return None if _try(fd) else read(path)
        finally:
            os.close(fd)
    return None


def break_lock(path: str = PATH, app: str | None = None) -> dict[str, Any] | None:
    """End the run that holds the lock: asked first, so that it puts back what it had begun, then by force.

    :param app: only a run of this app's deployers; None: whichever it is.
    :returns: who held it; None when nobody did.
    :raises ResourceError: it is somebody else's.
    """
    found = holder(path)
    if not found:
        return None
    if app is not None and found.get("app") != app:
        raise ResourceError(
            f"{describe(found)} is not a run of a deployer of {app}, and so not yours to end; wait for it, or ask an "
            "admin for `fab unlock`"
        )
    for signum, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(found["pid"], signum)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if (holder(path) or {}).get("pid") != found["pid"]:
                return found
            time.sleep(0.1)
    return found
