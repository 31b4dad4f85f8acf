"""Lock of the host: one run at a time changes it.

It is an flock(2) of the process on the host, so the kernel frees it on any exit, including kill -9 and power cuts.
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


class LockHeldError(Exception):
    """Another run holds the lock; `holder` describes it."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(describe(holder))
        self.holder = holder


def acquire(holder: dict[str, Any], wait: float, path: str = PATH) -> int:
    """Take the lock for the rest of this process's life.

    :param holder: description for others: "who", "what"; and "app" of the deployers who take it.
    :param wait: seconds to wait for another run to end; a note names it once.
    :returns: the file descriptor that holds it.
    :raises LockHeldError: the other run has not ended in time.
    """
    # Readable by root only: flock(2) requires no more than that, and an app could block all deploys.
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait
    noted = False
    while not _try(fd):
        found = read(path)
        if time.monotonic() >= deadline:
            os.close(fd)
            raise LockHeldError(found)
        if not noted:
            events.note(f"waiting up to {wait:g} s for {describe(found)}")
            noted = True
        time.sleep(0.1)
    if found := read(path):
        # A run that ends normally removes its name.
        events.note(f"took over the lock of an interrupted run: {describe(found)}")
    text = json.dumps({**holder, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())})
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)
    return fd


def release(fd: int) -> None:
    """Free the lock at the normal end of a run."""
    os.ftruncate(fd, 0)
    os.close(fd)


def is_held(fd: int) -> bool:
    """Whether the lock is still effective: it is not once its file has been removed."""
    return os.fstat(fd).st_nlink > 0


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(path: str = PATH) -> dict[str, Any]:
    """Read the holder's description; empty until it is written."""
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return dict(json.load(file))
    return {}


def describe(holder: dict[str, Any]) -> str:
    """Describe a holder for people."""
    if not {"who", "what", "since", "pid"} <= holder.keys():
        return "another run"
    # The name is their own claim; the app of a deployer is from the gate.
    deployer = f", a deployer of {holder['app']}" if holder.get("app") else ""
    return f"{holder['what']} by {holder['who']}{deployer} since {holder['since']} (pid {holder['pid']})"


def holder(path: str = PATH) -> dict[str, Any] | None:
    """Return the present holder of the lock; None when it is free."""
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDWR)
        try:
            return None if _try(fd) else read(path)
        finally:
            os.close(fd)
    return None


def break_lock(path: str = PATH, app: str | None = None) -> dict[str, Any] | None:
    """Stop the run that holds the lock: first SIGTERM, so that it rolls back, then SIGKILL.

    :param app: only a run of this app's deployers; None: any run.
    :returns: the previous holder; None when it was free.
    :raises ResourceError: it is another user's run.
    """
    found = holder(path)
    if not found:
        return None
    if app is not None and found.get("app") != app:
        raise ResourceError(
            f"{describe(found)} is not a run of a deployer of {app}, so you cannot stop it; wait for it, or ask an "
            "admin to run `fab unlock`"
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
