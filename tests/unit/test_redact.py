"""What is promised of secrets in the words of a host: known ones are `***`, however they are written or cut."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator

import pytest
from hostsmith.contract import redact
from hostsmith.contract.redact import Stream
from hostsmith.resources import Secret

NASTY = "pä\"ss' w$ord\\/&%+1"
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END KEY-----\n"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redact._Known, "spellings", ())
    yield


def know(*texts: str) -> None:
    for text in texts:
        redact.remember(Secret(text))


@pytest.mark.parametrize(
    "written",
    [
        NASTY,
        json.dumps(NASTY)[1:-1],
        json.dumps({"k": NASTY}, ensure_ascii=False)[7:-2],
        repr(NASTY)[1:-1],
        urllib.parse.quote(NASTY),
        urllib.parse.quote(NASTY, safe=""),
        urllib.parse.quote_plus(NASTY),
        base64.b64encode(NASTY.encode()).decode(),
        base64.b64encode(NASTY.encode()).decode().rstrip("="),
        NASTY.replace("'", "'\"'\"'"),
    ],
)
def test_it_is_found_as_programs_write_it(written: str) -> None:
    know(NASTY)
    assert redact.text(f"before {written} after") == "before *** after"


def test_of_several_lines_each_is_found_alone() -> None:
    know(KEY)
    assert redact.text(KEY) == "***"
    assert redact.text("web | 9w0BAQEFAASCBKcwggSj") == "web | ***"


def test_the_password_in_a_url_is_found_alone() -> None:
    know("postgres://blog:s3cr%40et!@db/blog")
    assert redact.text("for user blog: s3cr%40et! or s3cr@et!") == "for user blog: *** or ***"
    assert redact.text("connect to db as blog") == "connect to db as blog"


def test_it_is_found_without_the_space_around_it_too() -> None:
    """A file with a single line ends with one, which programs leave out."""
    know(" hunter2-long\n")
    assert redact.text("TOKEN=hunter2-long;") == "TOKEN=***;"


def test_what_is_too_short_to_be_told_from_other_text_stays() -> None:
    know("false", "", "sesame")
    assert redact.text("DEBUG=false OPEN=sesame") == "DEBUG=false OPEN=***"


def test_of_two_secrets_that_begin_alike_nothing_is_left() -> None:
    know("hunter2", "hunter2-and-more")
    assert redact.text("hunter2-and-more hunter2") == "*** ***"


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    know("hunter2-long")
    assert redact.data(b"\xff\x00hunter2-long\xfe") == b"\xff\x00***\xfe"
    odd = b"\xff hunter2-long".decode("utf-8", "surrogateescape")
    assert redact.text(odd).encode("utf-8", "surrogateescape") == b"\xff ***"


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100])
def test_a_stream_hides_what_its_pieces_cut_apart_and_keeps_the_rest(size: int) -> None:
    know("hunter2-long", KEY)
    text = f"a hunter hunter2-long b hunter2-lon\n{KEY}hunter2-longhunter2"
    stream = Stream()
    pieces = [text[at : at + size].encode() for at in range(0, len(text), size)]
    told = b"".join(map(stream.feed, pieces)) + stream.end()
    assert b"hunter2-long" not in told
    assert b"MIIEvQ" not in told
    assert told.startswith(b"a hunter *** b hunter2-lon\n***")
    assert told.endswith(b"***hunter2")


def test_a_stream_does_not_wait_for_more_than_the_beginning_of_a_secret() -> None:
    know("hunter2-long")
    stream = Stream()
    assert stream.feed(b"what is your name? ") == b"what is your name? "
    assert stream.feed(b"hunter2") == b""
    assert stream.feed(b"?\n") == b"hunter2?\n"
