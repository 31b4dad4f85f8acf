"""Text from hosts, logs and commits that means harm to a terminal: it is shown, and never obeyed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hostsmith.console import Console
from hostsmith.errors import AgentError
from hostsmith.printable import Coloured, coloured, cut, printable
from hostsmith.report import Report, Result
from hypothesis import example, given
from hypothesis import strategies as st
from terminal import Terminal

# Takes the title of the window, clears it, goes up, asks the terminal to type, and forges a line.
ATTACK = "a\x1b]0;title\x07\x1b[2J\x1b[1A\x1b[6n\x9b2J\x08\x0b\x7f\u202eb\udcff\rforged"
parts = [ATTACK, "\x1b[31m", "\x1b[0m", "\x1b[", "\x1b", "\x9b", "\r", "\n", "\t", "\x1b[38;5;1", "é\u202e"]
pieces = st.lists(st.sampled_from(parts) | st.text(), max_size=6).map("".join)


def obeyed(text: str, allowed: str = "\n\t") -> list[str]:
    """The characters that a terminal would do something at."""
    kinds = {c: unicodedata.category(c) for c in text}
    turning = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return [c for c, category in kinds.items() if (category in ("Cc", "Cs") or c in turning) and c not in allowed]


@given(text=pieces)
@example(ATTACK)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert obeyed(printable(text)) == []
    assert obeyed(re.sub(r"\x1b\[[0-9;:]*m", "", coloured(text))) == []
    assert obeyed(str(AgentError(text))) == []
    assert len(cut(text)) <= 80


@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"])))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert coloured(f"\x1b[1;31m{text}\x1b[0m") == f"\x1b[1;31m{text}\x1b[0m"


@given(
    data=st.binary() | pieces.map(lambda text: text.encode("utf-8", "replace")),
    sizes=st.lists(st.integers(1, 5), min_size=1),
)
def test_it_makes_no_difference_in_how_many_pieces_bytes_come(data: bytes, sizes: Sequence[int]) -> None:
    whole, piecewise = Coloured(), Coloured()
    expected = whole.feed(data) + whole.end()
    found, rest = b"", data
    while rest:
        for size in sizes:
            found, rest = found + piecewise.feed(rest[:size]), rest[size:]
    assert found + piecewise.end() == expected
    # Bytes that are no UTF-8 are shown by no terminal that reads UTF-8.
    assert obeyed(re.sub(r"\x1b\[[0-9;:]*m", "", expected.decode("utf-8", "replace")), "\r\n\t") == []


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"event": kind, "index": 0, "seconds": 0.0, **fields}


@pytest.mark.parametrize("labels", [["web1"], ["web1", "web2"]])
def test_all_that_a_host_says_is_shown_without_what_a_terminal_obeys(
    labels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console()
    report = Report("web1", results=[Result("x", "failed", error=ATTACK)], error=ATTACK)
    with console.fleet(labels, "deploy", dry_run=True):
        console.event("web1", event("result", resource=ATTACK, state="changed", summary=ATTACK, diff=ATTACK))
        console.event("web1", event("result", resource=ATTACK, state="failed", error=ATTACK))
        console.event("web1", event("note", text=ATTACK))
        console.host_summary(report)
        console.failures([report])
        console.table(["A"], [[ATTACK]])
    out, err = capsys.readouterr()
    assert obeyed(out + err) == []
    assert out.count("a?]0;title") >= 7


def test_on_a_terminal_nothing_of_a_host_moves_the_cursor_or_forges_a_line() -> None:
    code = f"""
import sys
from hostsmith.console import Console
console = Console()
attack = {ATTACK.replace(chr(0xDCFF), "")!r}
with console.fleet(["web1", "web2"], "deploy"):
    console.phase("web1", "prepare", 2)
    console.event("web1", {{"event": "start", "index": 0, "resource": attack}})
    sys.stdin.readline()
console = Console()
with console.outputs(["web1"]):
    console.output("web1", "stdout", ("web | " + attack.replace("\\r", "") + "\\x1b[31mred\\x1b[0m").encode())
"""
    # Some of it is not even shown by rich.
    live, raw = "a?]0;title?[2J?[1A?[6n?2J??bforged", "a?]0;title??[2J?[1A?[6n?2J????bforged"
    with Terminal(code, width=100) as terminal:
        terminal.until(["2 hosts: deploy", "-- prepare", f"* web1  prepare 0 s  1/2 {live}", "  web2  waiting"])
        terminal.type("\n")
        assert terminal.to_the_end() == ["2 hosts: deploy", "-- prepare", f"web | {raw}red"]
