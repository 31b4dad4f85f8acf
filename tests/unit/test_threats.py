"""No line of the threat model stands there without a test that tries it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_HEAD = "| Who | Can | Cannot | Because | Test |"


def rows() -> Iterator[str]:
    """The lines of the tables that say who can do what."""
    inside = False
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        inside = line == _HEAD or (inside and line.startswith("|"))
        if inside and line != _HEAD and not line.startswith("| ---"):
            yield line


@pytest.mark.parametrize("row", list(rows()))
def test_each_threat_names_a_test_that_there_is(row: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.rpartition(" | ")[2])
    assert named
    for path, name in named:
        assert re.search(rf"^\s*(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


def test_every_adversary_is_in_the_model() -> None:
    who = " ".join(row.split("|")[1].lower() for row in rows())
    for adversary in (
        "visitor",
        "app",
        "deployer",
        "root of one host",
        "thief",
        "repository",
        "package index",
        "between",
    ):
        assert adversary in who
