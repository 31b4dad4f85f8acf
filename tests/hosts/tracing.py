"""What runs do on a host, as strace sees it from this machine."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from hostsmith.sandbox import machine, process
from hostsmith.sandbox.store import Store

from tests.hosts.conftest import Vps

_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")


@contextlib.contextmanager
def traced(vps: Vps, *calls: str) -> Iterator[list[str]]:
    """The system calls that succeed of the host's sshd, and of all that it starts, in their order; there after it.

    :param calls: their names, as of strace's `trace`.
    """
    found: list[str] = []
    sshd = _sshd_of(vps)
    # Whole arguments: strace shows 32 letters of each unless told otherwise.
    words = ["-f", "-qq", "-s", "4096", "-e", f"trace={','.join(calls)}", "-e", "signal=none", "-p", str(sshd)]
    # A file: while a pipe is full, strace would hold up those that it traces.
    with tempfile.NamedTemporaryFile() as file, subprocess.Popen(["strace", "-o", file.name, *words]) as strace:
        limit = time.monotonic() + 30
        while "TracerPid:\t0" in Path(f"/proc/{sshd}/status").read_text():
            assert strace.poll() is None and time.monotonic() < limit, "strace did not attach"
            time.sleep(0.01)
        try:
            yield found
        finally:
            strace.send_signal(signal.SIGINT)
            try:
                strace.wait(30)
            except subprocess.TimeoutExpired:
                # It can wait for ever for a process to let go of; what it has seen is in the file.
                strace.kill()
            lines = Path(file.name).read_text(errors="replace").splitlines()
    found += [line for line in joined(lines) if line.endswith("= 0")]


def joined(lines: Iterable[str]) -> Iterator[str]:
    """The calls of strace's lines, each whole: another process's may stand between the two halves of one."""
    begun: dict[str, str] = {}
    for line in lines:
        pid, _, call = line.partition(" ")
        if call.endswith(_UNFINISHED):
            begun[pid] = line.removesuffix(_UNFINISHED)
        elif resumed := _RESUMED.match(call.lstrip()):
            yield begun.pop(pid, f"{pid} ") + call.lstrip()[resumed.end() :]
        else:
            yield line


def _sshd_of(vps: Vps) -> int:
    """The pid, on this machine, of the sshd of a host that takes new connections."""
    store = Store(vps.sandbox.project)
    running = machine.of(store, store.read().hosts[vps.name]).process()
    assert running is not None
    found = [pid for pid in process.descendants(running.pid) if "[listener]" in _command_line(pid)]
    assert len(found) == 1, found
    return found[0]


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""
