"""Logs on a host: the time of a line, the last lines of a file, and what is followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hostsmith.agent.logs import Following, last_lines, stamp, times

AT = datetime(2026, 11, 21, 4, 54, 11, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("[2026-11-21 04:54:11 +0000] [7] [INFO] Booting worker", AT),
        ("[2026-11-21 06:54:11 +0200] [7] [INFO] Booting worker", AT),
        ("2026-11-21T04:54:11Z done", AT),
        ("2026-11-21T04:54:11.250+00:00 done", AT + 0.25),
        ("2026-11-20 23:24:11,500-05:30 INFO done", AT + 0.5),
        ('203.0.113.7 - ann [21/Nov/2026:04:54:11 +0000] "GET / HTTP/1.1" 200', AT),
        ('2001:db8::1 - - [20/Nov/2026:23:54:11 -0500] "GET /[1] HTTP/1.1" 200', AT),
        ("  File 'x.py', line 3, in f", None),
        ("", None),
        ("2026-13-21 04:54:11 no such month", None),
        ("- - [21/Foo/2026:04:54:11 +0000]", None),
        ("it happened on 2026-11-21 04:54:11", None),
        ("2026-11-21 04:54:11 +9999 no such zone", None),
    ],
)
def test_the_time_of_a_line(line: str, at: float | None) -> None:
    assert stamp(line) == at


@pytest.mark.parametrize(
    "line", ["2026/11/21 04:54:11 [error] 7#7: *1 connect() failed", "2026-11-21 04:54:11,000 INFO"]
)
def test_a_time_without_a_zone_is_the_hosts(line: str) -> None:
    assert stamp(line) == datetime(2026, 11, 21, 4, 54, 11).timestamp()


def test_a_line_that_has_no_time_keeps_with_the_one_before_it() -> None:
    lines = ["cut off", "2026-11-21T04:54:11Z a", "Traceback", "2026-11-21T04:54:09Z late", "2026-11-21T04:54:12Z b"]
    assert times(lines, written=0) == [AT, AT, AT, AT, AT + 1]
    assert times(["x", "y"], written=7) == [7, 7]
    assert times([], written=7) == []


@pytest.mark.parametrize(
    ("content", "lines", "found"),
    [
        (b"", 3, []),
        (b"a\n", 3, [b"a"]),
        (b"a\nb\nc\n", 2, [b"b", b"c"]),
        (b"a\n\nc", 2, [b"", b"c"]),
        (b"a\nb\n", 0, []),
        (b"x" * 200_000 + b"\n" + b"y" * 70_000 + b"\nz\n", 2, [b"y" * 70_000, b"z"]),
    ],
)
def test_the_last_lines_of_a_file(tmp_path: Path, content: bytes, lines: int, found: list[bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert last_lines(file, lines) == found
        assert file.tell() == len(content)


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Callable[[], bytes]]:
    """What is new in a folder's logs at each look; `old.log` was there before."""
    old = tmp_path / "old.log"
    old.write_bytes(b"told\n")
    with Following({old.stat().st_ino: 5}) as following:

        def news() -> bytes:
            files = [("web", str(path), path.stat()) for path in sorted(tmp_path.glob("*.log"))]
            return b"".join(data for _, data in following.news(iter(files)))

        yield news


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_only_what_is_new_is_told_in_whole_lines(tmp_path: Path, look: Callable[[], bytes]) -> None:
    assert look() == b""
    add(tmp_path / "old.log", b"a\nb")
    assert look() == b"a\n"
    assert look() == b""
    add(tmp_path / "old.log", b"\n")
    assert look() == b"b\n"


def test_the_log_of_a_later_release_is_told_from_its_first_line(tmp_path: Path, look: Callable[[], bytes]) -> None:
    look()
    add(tmp_path / "new.log", b"first\n")
    add(tmp_path / "old.log", b"stopping\n")
    assert sorted(look().splitlines()) == [b"first", b"stopping"]


def test_a_log_that_is_copied_and_truncated_goes_on(tmp_path: Path, look: Callable[[], bytes]) -> None:
    add(tmp_path / "old.log", b"more\nhalf a li")
    assert look() == b"more\n"
    os.truncate(tmp_path / "old.log", 0)
    assert look() == b""
    add(tmp_path / "old.log", b"again\n")
    assert look() == b"again\n", "the half that went with the file is nobody's beginning"


def test_a_log_that_is_renamed_is_read_to_its_end(tmp_path: Path, look: Callable[[], bytes]) -> None:
    add(tmp_path / "old.log", b"before\n")
    assert look() == b"before\n"
    (tmp_path / "old.log").rename(tmp_path / "old.log.1")
    add(tmp_path / "old.log", b"in the new one\n")
    add(tmp_path / "old.log.1", b"still in the old one\n")
    assert sorted(look().splitlines()) == [b"in the new one", b"still in the old one"]


def test_a_line_without_end_costs_no_more_memory_than_others(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(1 << 32)
        file.seek(0, os.SEEK_END)
        file.write(b"the end\n")
    with path.open("rb") as file:
        (line,) = last_lines(file, 10)
    assert line.endswith(b"the end")
    assert len(line) < 1 << 25
