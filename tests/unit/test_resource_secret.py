"""Secret: read with reveal() and in no other way."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import pytest
from hostsmith.resources import Secret

SECRET = Secret("hunter2")


@dataclass
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET),
        repr(SECRET),
        f"{SECRET}",
        f"{SECRET!r:>20}",
        f"{SECRET:>20}",
        f"{SECRET} {SECRET!r}",
        repr([SECRET]),
        repr(Holder(SECRET)),
        str(asdict(Holder(SECRET))),
        str(ValueError(SECRET)),
    ],
)
def test_it_prints_as_stars(shown: str) -> None:
    assert "hunter2" not in shown
    assert "***" in shown


def test_what_would_leak_it_refuses() -> None:
    with pytest.raises(TypeError):
        "".join([SECRET])
    with pytest.raises(TypeError):
        json.dumps(SECRET)
    with pytest.raises(TypeError):
        "x" + SECRET


def test_it_is_revealed_and_compared_by_its_text() -> None:
    assert SECRET.reveal() == "hunter2"
    assert Secret("hunter2") == SECRET
    assert hash(Secret("hunter2")) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != "hunter2"
