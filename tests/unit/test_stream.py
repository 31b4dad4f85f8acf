"""A command that the agent runs for the user: its output, its exit status, its end."""

from __future__ import annotations

import base64
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostsmith.agent import stream
from hostsmith.contract import events
from hostsmith.contract.interruption import Interrupted, interrupt
from hostsmith.resources import ResourceError
from local_host import nobody_reads, read_event


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that events are written to."""
    path = tmp_path / "events"
    with path.open("wb") as file:
        monkeypatch.setattr(events._Out, "fd", file.fileno())
        yield path


def printed(out: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = defaultdict(bytes)
    for line in out.read_bytes().splitlines():
        event = read_event(line)
        assert event["event"] == "output"
        found[event["stream"]] += base64.b64decode(event["data"])
    return found


def test_output_is_sent_on_as_it_is_and_apart(out: Path) -> None:
    script = r"printf 'a\000\377'; head -c 300000 /dev/zero; printf 'b\n' >&2; exit 7"
    assert stream.passed_on(["sh", "-c", script], None) == 7
    assert printed(out) == {"stdout": b"a\x00\xff" + bytes(300_000), "stderr": b"b\n"}


def test_standard_input_is_empty(out: Path) -> None:
    assert stream.passed_on(["cat"], None) == 0
    assert printed(out) == {}


def test_the_exit_status_is_that_of_a_shell(out: Path) -> None:
    assert stream.passed_on(["sh", "-c", "kill -TERM $$"], None) == 128 + signal.SIGTERM
    assert stream.passed_on(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 3"], None) == 3


def test_what_a_command_leaves_behind_is_not_waited_for(out: Path) -> None:
    assert stream.passed_on(["sh", "-c", "sleep 600 & echo $!"], None) == 0
    os.kill(int(printed(out)["stdout"]), signal.SIGKILL)


def test_a_program_that_is_not_there_is_told(out: Path) -> None:
    with pytest.raises(ResourceError, match="/nonsuch: No such file or directory"):
        stream.passed_on(["/nonsuch"], None)


def test_an_interruption_ends_the_command_and_its_children(out: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Interrupted):
            stream.passed_on(["sh", "-c", f"sh -c 'cat {pipe}' & cat {pipe}; echo not this"], None)
    finally:
        signal.signal(signal.SIGALRM, before)
    nobody_reads(pipe)
    assert printed(out) == {}
