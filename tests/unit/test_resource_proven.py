"""Changes to the doors of a host: kept only when the controller comes in by a new connection, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hostsmith.agent.engine import converge
from hostsmith.agent.journal import Journal
from hostsmith.agent.owed import Owed
from hostsmith.contract import events, proof
from hostsmith.resources import File, Handler, ResourceError
from hostsmith.resources.proven import Proven


@dataclass(frozen=True)
class Open(Handler):
    """What puts a door into force: it notes what the file says at that moment."""

    door: str
    log: str

    def describe(self) -> str:
        return "open door"

    def run(self) -> None:
        with open(self.log, "a", encoding="utf-8") as log:
            log.write((Path(self.door).read_text() if Path(self.door).exists() else "none") + "\n")


@contextmanager
def controller(monkeypatch: pytest.MonkeyPatch, answer: str) -> Iterator[list[dict[str, Any]]]:
    """Somebody who answers the question whether the door can be passed."""
    heard: list[dict[str, Any]] = []

    def emit(kind: str, **fields: Any) -> None:
        heard.append({"event": kind, **fields})
        if kind == "prove":
            proof.give(answer)

    with monkeypatch.context() as patch:
        patch.setattr(events, "emit", emit)
        yield heard


def door(tmp_path: Path) -> Proven:
    file = File(str(tmp_path / "door"), "new")
    return Proven("door", (file,), notify=Open(str(tmp_path / "door"), str(tmp_path / "log")))


def test_a_door_that_can_be_passed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "door").write_text("old")
    with controller(monkeypatch, "") as heard:
        assert converge([door(tmp_path)], Owed(str(tmp_path)), Journal(f"{tmp_path}/journal.conf"))
    assert (tmp_path / "door").read_text() == "new"
    assert [event["event"] for event in heard].count("prove") == 1
    assert set((tmp_path / "log").read_text().split()) == {"new"}


@pytest.mark.parametrize("before", ["old", None])
def test_a_door_that_cannot_be_passed_is_put_back_and_that_into_force(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        (tmp_path / "door").write_text(before)
    with controller(monkeypatch, "no answer within 10 s") as heard:
        assert not converge([door(tmp_path)], Owed(str(tmp_path)), Journal(f"{tmp_path}/journal.conf"))
    assert (tmp_path / "log").read_text().split() == ["new", before or "none"]
    (error,) = (event["error"] for event in heard if event.get("state") == "failed")
    assert error == "rolled back, because you could no longer log in: no answer within 10 s"
    assert Owed(str(tmp_path)).handlers == []


def test_who_says_nothing_has_not_come_in() -> None:
    proof.give("")  # an answer to an earlier question
    with pytest.raises(ResourceError, match="no new connection was made within 0.01 s"):
        proof.obtain(limit=0.01)


def test_a_door_that_was_not_proven_when_the_run_was_killed_is_shut_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "door").write_text("old")
    change, journal = door(tmp_path).check(), f"{tmp_path}/journal.conf"
    assert change is not None
    Journal(journal).add(change.durable)
    (tmp_path / "door").write_text("new")
    with controller(monkeypatch, ""):
        Journal(journal).recover()
    assert (tmp_path / "door").read_text() == "old"


def test_a_door_that_could_not_be_put_back_either_is_proven_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = door(tmp_path)
    (tmp_path / "door").write_text("new")
    Owed(str(tmp_path)).add(group.handlers())
    with controller(monkeypatch, "") as heard:
        assert converge([group], Owed(str(tmp_path)), Journal(f"{tmp_path}/journal.conf"))
    assert [event["event"] for event in heard].count("prove") == 1
