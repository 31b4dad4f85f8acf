"""How resources touch the host: what a program is given, and what is done when there is no room to write."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hostsmith.agent import filesystem, system
from hostsmith.resources import ResourceError


def test_a_program_that_is_slow_to_read_gets_all_of_its_input() -> None:
    data = os.urandom(1_000_000)
    assert system.run(["sh", "-c", "sleep 0.3; cat"], stdin=data, timeout=20).stdout == data


def test_a_program_without_input_meets_its_end() -> None:
    assert system.run(["cat"], timeout=20).stdout == b""


def test_a_program_that_takes_too_long_is_ended_and_its_last_words_are_told() -> None:
    with pytest.raises(system.TimedOutError, match="still running after 0.5 s, stopped\nwaiting for the server"):
        system.run(["sh", "-c", "echo waiting for the server >&2; sleep 60"], timeout=0.5)


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
