"""Processes on this machine that run side by side and stop together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError

_PIECE = 64 * 1024


@dataclass(frozen=True)
class ProcessCommand:
    """Command of a process, and how it is stopped.

    :param name: its name in the output.
    :param stdin: its standard input.
    :param user: the user that runs it; None for the current one.
    :param stop_signal: sent to it and its children to stop them.
    :param stop_timeout: seconds until they are killed.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes = field(default=b"", repr=False)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10


class LocalProcess:
    """A process in a separate session, so that a Ctrl-C on the terminal reaches only this program.

    :param show: called with its output, as it comes.
    :raises UsageError: it cannot be started.
    """

    def __init__(self, command: ProcessCommand, show: Callable[[bytes], None]) -> None:
        self.command = command
        try:
            with tempfile.TemporaryFile() as stdin:
                stdin.write(command.stdin)
                stdin.seek(0)
                self._process = subprocess.Popen(
                    command.argv,
                    env=dict(command.env),
                    cwd=command.cwd,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=command.user,
                    group=None if command.user is None else pwd.getpwnam(command.user).pw_gid,
                    extra_groups=None if command.user is None else [],
                )
        except OSError as error:
            raise UsageError(f"{command.name}: {error.filename}: {error.strerror}") from None
        loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = loop.create_future()
        # In some versions of Python, asyncio's own also waits for children that hold the other end of the pipe.
        threading.Thread(target=self._wait, args=[loop], daemon=True).start()
        self._printing = asyncio.create_task(self._pass_on(show))

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        status = self._process.wait()
        # The loop may be closed when nothing waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._status.set_result, status)

    async def _pass_on(self, show: Callable[[bytes], None]) -> None:
        assert self._process.stdout is not None
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout)
        try:
            while data := await reader.read(_PIECE):
                show(data)
        finally:
            transport.close()

    @property
    def group(self) -> int:
        """Id of the process group of it and its children."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._status.done()

    async def ended(self) -> int:
        """Wait for its end; returns its exit status as a shell reports it."""
        status = await asyncio.shield(self._status)
        return status if status >= 0 else 128 - status

    async def stop(self) -> None:
        """Stop it and its children; kill those that are left after the time limit."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, self.command.stop_signal)
        # A shell ends at once, its children may take longer: until then they hold the pipe.
        with contextlib.suppress(asyncio.TimeoutError):
            ended = asyncio.gather(asyncio.shield(self._status), asyncio.shield(self._printing), return_exceptions=True)
            await asyncio.wait_for(ended, self.command.stop_timeout)
        self.kill()
        await self._status
        # A process that still holds it has moved to another session.
        await asyncio.wait([self._printing], timeout=1)
        self._printing.cancel()

    def kill(self) -> None:
        """Kill the rest of its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGKILL)


async def first_end(processes: Sequence[LocalProcess]) -> tuple[LocalProcess, int]:
    """Wait until one of them ends; returns it with its exit status."""
    waiting = {asyncio.create_task(process.ended()): process for process in processes}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    task = next(task for task in waiting if task in done)
    return waiting[task], task.result()


async def stop_all(processes: Sequence[LocalProcess]) -> None:
    """Stop all processes side by side."""
    await asyncio.gather(*(process.stop() for process in processes))
