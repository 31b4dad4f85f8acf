"""Watcher process: ends the processes of `fab serve` when it is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable

from .processes import LocalProcess, ProcessCommand

# Reads which processes run. The end of its input means that the writer is gone: it then stops those that are left.
_CODE = """\
import os, signal, sys, time

def kill(group, number):
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True

groups = {}
for line in sys.stdin:
    if line == "over\\n":
        sys.exit()
    group, number = map(int, line.split())
    if number:
        groups[group] = number
    else:
        groups.pop(group, None)
left = [group for group, number in groups.items() if kill(group, number)]
deadline = time.monotonic() + 10
while any(kill(group, 0) for group in left) and time.monotonic() < deadline:
    time.sleep(0.1)
for group in left:
    kill(group, signal.SIGKILL)
"""


class Watch:
    """Start of processes under a watcher process; close it when all have ended."""

    def __init__(self) -> None:
        # In a separate session, so that a signal to this one does not end it.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def start(self, command: ProcessCommand, show: Callable[[bytes], None]) -> LocalProcess:
        """Start a process; parameters and errors as of `LocalProcess`."""
        process = LocalProcess(command, show)
        self._send(f"{process.group} {int(command.stop_signal)}\n")
        return process

    async def finish(self, process: LocalProcess) -> None:
        """Stop a process and unwatch it: its pid may be reused."""
        await process.stop()
        self._send(f"{process.group} 0\n")

    def close(self) -> None:
        """End the watcher."""
        self._send("over\n")
        with contextlib.suppress(BrokenPipeError):
            self._watcher.communicate()

    def _send(self, line: str) -> None:
        assert self._watcher.stdin is not None
        # It may have been killed: the run continues without a watcher.
        with contextlib.suppress(BrokenPipeError):
            self._watcher.stdin.write(line.encode())
            self._watcher.stdin.flush()
