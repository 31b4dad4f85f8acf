"""What the benchmark says a command costs, and what it makes of one that fails or does not end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import cost
from benchmarks.cost import Command, CommandError


def command(program: str, folder: Path) -> Command:
    """A Python program, started by a shell: the shell's child."""
    argv = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", program]
    return Command(argv, folder, {"PATH": os.environ["PATH"]})


def test_the_cpu_of_a_commands_children_counts(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    spent, _ = command(busy, tmp_path).timed()
    assert spent.cpu >= 0.5


# What a process does that holds some memory: say so, and stay until it has been looked at.
STAY = """
open(f"ready-{os.getpid()}", "w").close()
limit = time.monotonic() + 60
while not os.path.exists("seen") and time.monotonic() < limit:
    time.sleep(0.01)
"""


@pytest.fixture
def _looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes stay until both have been looked at together."""
    family, looks = cost._family, []

    def look(pid: int) -> list[int]:
        if len(list(tmp_path.glob("ready-*"))) == 2:
            looks.append(pid)
        if len(looks) > 2:
            (tmp_path / "seen").touch()
        return family(pid)

    monkeypatch.setattr(cost, "_family", look)


@pytest.mark.usefixtures("_looked_at")
def test_the_memory_of_a_commands_children_counts_together(tmp_path: Path) -> None:
    one = f"import os, time\nheld = b'x' * 50_000_000\n{STAY}"
    both = f"import subprocess, sys\nother = subprocess.Popen([sys.executable, '-c', {one!r}])\n{one}\nother.wait()"
    _, _, peak = command(both, tmp_path).watched()
    assert 90 < peak < 200


@pytest.mark.usefixtures("_looked_at")
def test_memory_that_is_shared_counts_once(tmp_path: Path) -> None:
    fork = f"import os, time\nheld = b'x' * 100_000_000\nchild = os.fork()\n{STAY}\nchild and os.wait()"
    _, _, peak = command(fork, tmp_path).watched()
    assert 90 < peak < 180


def test_what_it_printed_is_returned_errors_too(tmp_path: Path) -> None:
    _, text = command("import sys\nprint('one', flush=True)\nprint('two', file=sys.stderr)", tmp_path).timed()
    assert text == "one\ntwo\n"


def test_a_command_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"exit status 3\nout of eggs"):
        command("print('out of eggs')\nraise SystemExit(3)", tmp_path).timed()


def test_a_command_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    slow = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)"
    with pytest.raises(CommandError, match="ended after"):
        command(slow, tmp_path).timed(limit=2)
    deadline = time.monotonic() + 10
    while runs(int((tmp_path / "pid").read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended may still wait to be asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
