"""Changes that are held: there from the moment they are made, and gone again unless they are confirmed."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hostsmith.agent import lock, main
from hostsmith.contract.interruption import Interrupted, interrupt
from hostsmith.resources import Change, Command, File, Validated
from local_host import Agent, LocalHost, tree
from own_resources import Append, Doubtful


def held(agent: Agent, *resources: File | Command) -> None:
    agent.start(resources, hold=True)


@pytest.fixture
def old(place: Path) -> Path:
    path = place / "f"
    path.write_text("old")
    return path


def test_what_is_confirmed_stays(tmp_path: Path, old: Path) -> None:
    with Agent(tmp_path) as agent:
        held(agent, File(str(old), "new"))
        assert agent.outcome().states == ["changed"]
        agent.send(op="confirm")
        assert agent.outcome().ok
    assert old.read_text() == "new"


def test_what_is_confirmed_is_taken_back_by_no_boot(tmp_path: Path, old: Path) -> None:
    with Agent(tmp_path) as agent:
        agent.start([Validated("group", [File(str(old), "new")], ["true"])], hold=True)
        assert agent.outcome().states == ["changed"]
        assert Path(agent.journal).exists()
        agent.send(op="confirm")
        assert agent.outcome().ok
        assert not Path(agent.journal).exists()
    assert old.read_text() == "new"


def test_what_is_put_back_is_told_and_its_handler_runs_again(tmp_path: Path, old: Path) -> None:
    log = tmp_path / "log"
    with Agent(tmp_path) as agent:
        held(agent, File(str(old), "new", notify=Append(str(log))))
        assert agent.outcome().states == ["changed", "ran"]
        agent.send(op="put_back")
        assert agent.outcome().states == ["reverted", "ran"]
        agent.send(op="put_back")
        assert agent.outcome().states == [], "once"
    assert old.read_text() == "old"
    assert log.read_text() == "ran\nran\n"


def test_a_failure_puts_back_its_own_change_and_leaves_the_others_held(tmp_path: Path, old: Path) -> None:
    with Agent(tmp_path) as agent:
        held(agent, File(str(old), "new"), Command(["false"]))
        assert agent.outcome().states == ["changed", "failed"]
        assert old.read_text() == "new"
        agent.send(op="put_back")
        assert agent.outcome().results == [(f"file {old}", "reverted")]
    assert old.read_text() == "old"


def test_what_cannot_be_put_back_is_told_and_keeps_nothing_else_from_it(tmp_path: Path, old: Path) -> None:
    log = tmp_path / "log"
    with Agent(tmp_path) as agent:
        agent.start((File(str(old), "new"), Doubtful(fails=False, notify=Append(str(log)))), hold=True)
        assert agent.outcome().ok
        agent.send(op="put_back")
        outcome = agent.outcome()
        assert (outcome.ok, outcome.error) == (False, "it does not go")
        assert outcome.results == [("doubtful", "failed"), (f"file {old}", "reverted"), ("append ran", "ran")]
        assert not Path(agent.journal).exists(), "it is told once, and no boot tries again"
    assert old.read_text() == "old"


def kill(agent: Agent) -> None:
    holder = lock.holder(agent.lock_path)
    assert holder is not None
    os.kill(holder["pid"], signal.SIGTERM)


@pytest.mark.parametrize("leave", [Agent.close, kill], ids=["controller gone", "told to stop"])
def test_nobody_is_there_to_confirm_it(tmp_path: Path, place: Path, old: Path, leave: Callable[[Agent], None]) -> None:
    before = tree(place)
    with Agent(tmp_path) as agent:
        agent.lock()
        held(agent, File(str(old), "new"), File(f"{place}/g", "more"))
        assert agent.outcome().states == ["changed", "changed"]
        leave(agent)
        assert agent.process.wait(30) == 0
    assert tree(place) == before
    assert lock.holder(agent.lock_path) is None


def test_told_to_stop_once_more_while_all_is_put_back_it_goes_on_to_the_end(host: LocalHost) -> None:
    back: list[str] = []

    def undo(name: str) -> None:
        back.append(name)
        os.kill(os.getpid(), signal.SIGHUP)

    run = main._Run(None, lambda frame: None)
    for name in ("first", "second", "third"):
        run._held.register(Command(["true"]), Change(name, lambda: None, functools.partial(undo, name)))
    before = signal.signal(signal.SIGHUP, interrupt)
    try:
        with host._recorded(), pytest.raises(Interrupted):
            run.leave()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert back == ["third", "second", "first"]
