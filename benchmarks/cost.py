"""Cost of a command on this machine: seconds, CPU, memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

LIMIT = 900.0  # seconds
_LOOK = 0.02  # seconds between two checks of memory


class CommandError(Exception):
    """A command failed or took too long; the message has its output."""


@dataclass(frozen=True)
class Cost:
    """Resources of this machine that a command used.

    :param seconds: from its start to its end.
    :param cpu: seconds of CPU, of itself and of all processes that it waited for.
    """

    seconds: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.cpu:.2f} s of CPU"


@dataclass(frozen=True)
class Command:
    """A command with its complete environment."""

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]

    def timed(self, limit: float = LIMIT) -> tuple[Cost, str]:
        """Run it; returns its cost and its output.

        :raises CommandError: it failed, or was killed after the limit.
        """
        return self._run(limit, lambda _: contextlib.nullcontext())

    def watched(self, limit: float = LIMIT) -> tuple[Cost, str, float]:
        """Run it and sample its memory, which takes some time, too.

        :returns: as `timed`; and MB at the peak of all its processes, shared memory counted once.
        :raises CommandError: it failed, or was killed after the limit.
        """
        watches: list[_Watch] = []

        def watch(pid: int) -> _Watch:
            watches.append(_Watch(pid))
            return watches[0]

        cost, text = self._run(limit, watch)
        return cost, text, watches[0].peak

    def _run(self, limit: float, watch: Callable[[int], AbstractContextManager[object]]) -> tuple[Cost, str]:
        with tempfile.TemporaryFile() as output:
            start = time.perf_counter()
            process = subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all of it can be ended
            )
            with watch(process.pid), _ended_after(limit, process):
                _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if process.returncode:
            late = f", ended after {seconds:.0f} s" if seconds >= limit else ""
            raise CommandError(f"{' '.join(self.argv)}: exit status {process.returncode}{late}\n{text}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime), text


class _Watch(threading.Thread):
    """Samples the memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.peak = 0.0
        self._pid, self._over = pid, threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(_LOOK):
            self.peak = max(self.peak, sum(map(_memory, _family(self._pid))))


def _family(pid: int) -> list[int]:
    """List a process and its descendants, without daemons that have left their parent."""
    found = [pid]
    for parent in found:  # grows as it goes
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def _memory(pid: int) -> float:
    """Read the proportional set size of a process in MB; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def _ended_after(limit: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a command and its children after the limit, or on an interrupt."""

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit, end)
    timer.start()
    try:
        yield
    except BaseException:
        end()
        process.wait()
        raise
    finally:
        timer.cancel()
