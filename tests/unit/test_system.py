"""How resources touch the host: what a program is given, and what is done when there is no room to write."""

from __future__ import annotations

import errno
import os
import pwd
import resource
from pathlib import Path
from typing import Any

import pytest
from hostsmith.hostkit.linux import filesystem, system
from hostsmith.resources import ResourceError


def test_a_program_that_is_slow_to_read_gets_all_of_its_input() -> None:
    data = os.urandom(1_000_000)
    assert system.run(["sh", "-c", "sleep 0.3; cat"], stdin=data, timeout=20).stdout == data


def test_a_program_without_input_meets_its_end() -> None:
    assert system.run(["cat"], timeout=20).stdout == b""


def test_a_program_that_takes_too_long_is_ended_and_its_last_words_are_told() -> None:
    with pytest.raises(system.TimedOutError, match="still running after 0.5 s, stopped\nwaiting for the server"):
        system.run(["sh", "-c", "echo waiting for the server >&2; sleep 60"], timeout=0.5)


@pytest.mark.parametrize(("stream", "ignores"), [("", ""), (" >&2", "trap '' TERM PIPE; ")])
def test_a_program_that_prints_for_ever_is_ended_and_does_not_fill_the_memory(stream: str, ignores: str) -> None:
    with pytest.raises(system.CommandError, match="printer: printed more than 32 MB, stopped"):
        system.run(["sh", "-c", f"{ignores}yes{stream}"], label="printer")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20, "in KB"


def test_of_a_program_whose_output_nobody_reads_the_end_is_kept_and_it_may_print_as_much_as_it_likes() -> None:
    script = "yes | head -c 50000000; echo the end; exit 1"
    with pytest.raises(system.CommandError, match=r"exit status 1\n(y\n)+the end$"):
        system.run(["sh", "-c", script], keep=system.its_end)


def test_a_program_that_has_closed_its_output_is_waited_for_and_ended_when_its_time_is_up() -> None:
    script = "exec >&- 2>&-; sleep {}; exit 3"
    with pytest.raises(system.CommandError, match="exit status 3"):
        system.run(["sh", "-c", script.format(0.3)], timeout=20)
    with pytest.raises(system.TimedOutError):
        system.run(["sh", "-c", script.format(60)], timeout=0.3)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_acts_as_somebody_else_has_none_of_roots_rights_and_is_root_again_afterwards(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    before = os.getresuid(), os.getresgid(), os.getgroups()
    with system.acting_as("daemon"):
        assert os.getresuid() == (0, pwd.getpwnam("daemon").pw_uid, 0)
        assert 0 not in (os.getegid(), *os.getgroups())
        with pytest.raises(PermissionError):
            (tmp_path / "secret").read_text()
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
    assert (tmp_path / "secret").read_text() == "x"


def test_what_was_there_is_written_back_over_what_is_when_there_is_no_room_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("a longer text than before")

    opened = os.open

    def full(name: str, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(name, flags, *rest, **more)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(
        ResourceError, match=r"No space left on device; .* MB free .*remove something, and run the same"
    ):
        filesystem.write_atomic(str(path), b"before", mode=0o640)
    filesystem.write_back(str(path), b"before", mode=0o640)
    assert path.read_bytes() == b"before"
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ResourceError, match="No space left on device"):
        filesystem.write_back(f"{tmp_path}/new", b"x", mode=0o644)
