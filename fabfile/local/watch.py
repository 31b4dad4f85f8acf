"""That no process outlives `fab serve`, not even when that is killed and can end none itself."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable

from .processes import Command, Process

# Reads what has begun. At the end of its input whoever writes it is gone: it then ends what is left.
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
    """Starts processes, and has another one watch whether we live; to be closed when all have ended."""

    def __init__(self) -> None:
        # In a session of its own, so that what ends us does not end it.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def start(self, command: Command, show: Callable[[bytes], None]) -> Process:
        """Start a process; parameters and errors as of `Process`."""
        process = Process(command, show)
        self._tell(f"{process.group} {int(command.stop_signal)}\n")
        return process

    async def finish(self, process: Process) -> None:
        """Stop a process, and watch it no more: its number may become another's."""
        await process.stop()
        self._tell(f"{process.group} 0\n")

    def close(self) -> None:
        """All have ended."""
        self._tell("over\n")
        with contextlib.suppress(BrokenPipeError):
            self._watcher.communicate()

    def _tell(self, line: str) -> None:
        assert self._watcher.stdin is not None
        # Somebody may have killed it; then nobody watches, and all else goes on.
        with contextlib.suppress(BrokenPipeError):
            self._watcher.stdin.write(line.encode())
            self._watcher.stdin.flush()
