"""Converging: in order, to the first failure, each change taken back that fails, and no handler ever lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hostsmith.contract.interruption import Interrupted, interrupt, uninterrupted
from hostsmith.contract.undo import Undo
from hostsmith.hostkit.linux import system
from hostsmith.resources import Absent, Command, Directory, File, ResourceError, Validated
from local_host import LocalHost, nobody_reads, tree
from own_resources import Append, Buggy, Half


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_each_resource_is_announced_and_reported_in_order(host: LocalHost, place: Path) -> None:
    (place / "b").mkdir()
    outcome = host.converge(File(f"{place}/a", "x"), Directory(f"{place}/b"), Absent(f"{place}/c"))
    assert outcome.ok
    assert [(event["event"], event["index"], event["resource"]) for event in outcome.events] == [
        ("start", 0, f"file {place}/a"),
        ("result", 0, f"file {place}/a"),
        ("start", 1, f"directory {place}/b"),
        ("result", 1, f"directory {place}/b"),
        ("start", 2, f"absent {place}/c"),
        ("result", 2, f"absent {place}/c"),
    ]
    assert outcome.states == ["changed", "ok", "ok"]
    assert all(event["seconds"] >= 0 for event in outcome.events if event["event"] == "result")


def test_nothing_is_done_after_a_failure_and_what_was_done_before_stays(host: LocalHost, place: Path) -> None:
    outcome = host.converge(File(f"{place}/a", "x"), Command(["false"]), File(f"{place}/b", "x"))
    assert (outcome.ok, outcome.states) == (False, ["changed", "failed"])
    assert list(tree(place)) == ["a"]


def test_a_failed_change_is_taken_back(host: LocalHost, place: Path) -> None:
    assert host.converge(Half(f"{place}/f")).error == "the other half is missing"
    assert tree(place) == {}


def test_what_cannot_be_taken_back_is_told_with_the_reason_for_both(host: LocalHost, place: Path) -> None:
    error = host.converge(Half(f"{place}/f", stubborn=True)).error
    assert error == "the other half is missing\ncould not be undone: it does not go"


def test_a_mistake_in_a_resource_is_shown_in_full(host: LocalHost) -> None:
    outcome = host.converge(Buggy())
    assert outcome.states == ["failed"]
    assert "Traceback" in outcome.error
    assert 'raise KeyError("a mistake")' in outcome.error


def test_no_file_and_no_folder_is_made_for_handlers_when_none_is_owed(host: LocalHost, tmp_path: Path) -> None:
    host.converge(Command(["true"]), Command(["false"]))
    assert not (tmp_path / "state/owed.json").exists()


class TestHandlers:
    """What a service needs after its configuration changed."""

    def test_runs_once_after_all_resources_however_many_notify_it(
        self, host: LocalHost, place: Path, log: Path
    ) -> None:
        handler = Append(str(log))
        outcome = host.converge(
            File(f"{place}/a", "x", notify=handler),
            File(f"{place}/b", "x", notify=Append(str(log))),
            Command(["test", "!", "-e", str(log)]),
        )
        assert outcome.results[3:] == [("append ran", "ran")]
        assert log.read_text() == "ran\n"
        assert host.owed == []

    def test_does_not_run_when_nothing_changed(self, host: LocalHost, place: Path, log: Path) -> None:
        (place / "a").write_text("x")
        assert host.converge(File(f"{place}/a", "x", notify=Append(str(log)))).states == ["ok"]
        assert not log.exists()

    def test_run_in_the_order_in_which_they_came_to_be_owed(self, host: LocalHost, place: Path, log: Path) -> None:
        one, two, three = (Append(str(log), line) for line in ("1", "2", "3"))
        host.converge(File(f"{place}/a", "x", notify=(two, one)), File(f"{place}/b", "x", notify=(one, three)))
        assert log.read_text() == "2\n1\n3\n"

    def test_is_owed_by_a_change_before_a_failure_and_runs_in_the_next_run(
        self, host: LocalHost, place: Path, log: Path
    ) -> None:
        outcome = host.converge(File(f"{place}/a", "x", notify=Append(str(log))), Command(["false"]))
        assert outcome.states == ["changed", "failed"]
        assert host.owed == [Append(str(log))]
        assert outcome.notes[0].startswith("still owed, and run by the next run on this host: append ran")
        assert not log.exists()
        assert host.converge(Directory(str(place))).results[1:] == [("append ran", "ran")]
        assert (log.read_text(), host.owed) == ("ran\n", [])
        assert host.converge(Directory(str(place))).states == ["ok"]

    def test_of_a_change_that_was_taken_back_is_not_owed(self, host: LocalHost, place: Path, log: Path) -> None:
        outcome = host.converge(Half(f"{place}/f", notify=Append(str(log))))
        assert (outcome.states, outcome.notes, host.owed) == (["failed"], [], [])

    def test_of_a_change_that_cannot_be_taken_back_is_owed(self, host: LocalHost, place: Path, log: Path) -> None:
        for half in (Half(f"{place}/f", undoable=False), Half(f"{place}/f", stubborn=True)):
            host.converge(Half(half.path, half.undoable, half.stubborn, notify=Append(str(log))))
            assert host.owed == [Append(str(log))]

    def test_owed_by_an_earlier_change_survives_a_later_one_that_is_taken_back(
        self, host: LocalHost, place: Path, log: Path
    ) -> None:
        host.converge(File(f"{place}/a", "x", notify=Append(str(log))), Half(f"{place}/f", notify=Append(str(log))))
        assert host.owed == [Append(str(log))]

    def test_that_fails_stays_owed_and_keeps_no_other_from_running(
        self, host: LocalHost, place: Path, log: Path
    ) -> None:
        failing = Append(f"{log}.d/log")
        outcome = host.converge(File(f"{place}/a", "x", notify=(failing, Append(str(log)))))
        assert (outcome.ok, outcome.states) == (False, ["changed", "failed", "ran"])
        assert outcome.error == f"{log}.d/log: no folder for it"
        assert host.owed == [failing]
        again = host.converge(File(f"{place}/a", "x"))
        assert (again.ok, again.states) == (False, ["ok", "failed"])
        Path(f"{log}.d").mkdir()
        assert host.converge().states == ["ran"]

    def test_is_written_down_before_the_change_is_made(self, host: LocalHost, tmp_path: Path, log: Path) -> None:
        look = f'grep -q ran "{tmp_path}/state/owed.json"'
        assert host.converge(Command(["sh", "-c", look], notify=Append(str(log)))).states == ["changed", "ran"]

    def test_can_keep_a_secret_in_a_file_for_root_alone(self, host: LocalHost, place: Path, tmp_path: Path) -> None:
        host.converge(File(f"{place}/a", "x", notify=Append(f"{tmp_path}/no/folder")))
        assert (tmp_path / "state/owed.json").stat().st_mode & 0o777 == 0o600


class TestPlan:
    """A dry run."""

    def test_touches_nothing_and_tells_what_would_change_and_run(
        self, host: LocalHost, place: Path, tmp_path: Path, log: Path
    ) -> None:
        (place / "b").write_text("old\n")
        before = tree(tmp_path)
        outcome = host.plan(
            Directory(f"{place}/a", notify=Append(str(log))),
            File(f"{place}/b", "new\n", notify=Append(str(log))),
            Absent(f"{place}/c"),
        )
        assert outcome.ok
        assert outcome.states == ["changed", "changed", "ok", "ran"]
        assert "-old\n+new\n" in outcome.diff
        after = tree(tmp_path)
        assert after.pop("state/events") and after == before

    def test_tells_what_an_earlier_run_owes(self, host: LocalHost, place: Path, log: Path) -> None:
        host.converge(File(f"{place}/a", "x", notify=Append(str(log))), Command(["false"]))
        assert host.plan(File(f"{place}/a", "x")).results[1:] == [("append ran", "ran")]
        assert host.owed == [Append(str(log))]

    def test_goes_on_where_a_resource_stands_on_a_change_before_it(self, host: LocalHost, place: Path) -> None:
        (place / "thing").write_text("in the way")
        outcome = host.plan(Absent(f"{place}/thing"), Directory(f"{place}/thing"), File(f"{place}/b", "x"))
        assert outcome.ok
        assert outcome.states == ["changed", "changed", "changed"]
        assert "unknown until the changes above are made" in outcome.summary

    def test_ends_at_what_no_change_before_it_can_explain(self, host: LocalHost, place: Path) -> None:
        (place / "thing").write_text("in the way")
        outcome = host.plan(Directory(f"{place}/thing"), File(f"{place}/b", "x"))
        assert (outcome.ok, outcome.states) == (False, ["failed"])


class TestInterruption:
    """A signal, or a controller that went away."""

    @pytest.fixture(autouse=True)
    def _handled(self) -> object:
        before = signal.signal(signal.SIGHUP, interrupt)
        yield
        signal.signal(signal.SIGHUP, before)

    def test_takes_back_the_change_that_is_half_way(self, host: LocalHost, place: Path, log: Path) -> None:
        hang_up = Command(["sh", "-c", "kill -HUP $PPID; exec sleep 600"])
        group = Validated("group", (File(f"{place}/b", "x"), hang_up), notify=Append(str(log)))
        with pytest.raises(Interrupted):
            host.converge(File(f"{place}/a", "x"), group)
        assert list(tree(place)) == ["a"]
        assert host.owed == []

    def test_ends_the_program_that_runs_with_its_children(self, place: Path) -> None:
        os.mkfifo(place / "pipe")
        with pytest.raises(Interrupted):
            system.run(["sh", "-c", f"cat {place}/pipe & kill -HUP $PPID; wait"])
        nobody_reads(place / "pipe")

    def test_amid_waiting_for_a_program_does_not_keep_it_from_being_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start, started = system.start, []

        def hung_up(argv: list[str], **options: Any) -> Any:
            process = start(argv, **options)
            process._waitpid_lock = HungUpLock()
            started.append(process)
            return process

        monkeypatch.setattr(system, "start", hung_up)
        with pytest.raises(Interrupted):
            system.run(["true"])
        assert [process.returncode for process in started] == [0]

    def test_at_any_moment_is_an_interruption_and_nothing_else(self) -> None:
        """Also between the start of a program and waiting for it."""
        interrupted = 0
        signal.signal(signal.SIGALRM, interrupt)
        try:
            for number in range(1, 101):
                try:
                    signal.setitimer(signal.ITIMER_REAL, number / 20_000)
                    system.run(["sleep", "0.003"])
                    # One that comes after it would be another test's.
                    while signal.getitimer(signal.ITIMER_REAL)[0]:
                        time.sleep(0.001)
                except Interrupted:
                    interrupted += 1
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        assert interrupted

    def test_waits_for_what_must_be_done_wholly(self) -> None:
        done = []
        with pytest.raises(Interrupted), uninterrupted():
            with uninterrupted():
                os.kill(os.getpid(), signal.SIGHUP)
                done.append("inner")
            done.append("outer")
        assert done == ["inner", "outer"]

    def test_is_not_forgotten_when_that_fails(self) -> None:
        with pytest.raises(Interrupted), uninterrupted():
            os.kill(os.getpid(), signal.SIGHUP)
            raise ResourceError("failed")
        with uninterrupted():
            pass

    def test_leaves_an_undo_to_its_end(self) -> None:
        undo, done = Undo(), []
        undo.register(lambda: done.append("first"))
        undo.register(lambda: os.kill(os.getpid(), signal.SIGHUP))
        with pytest.raises(Interrupted):
            undo.run()
        assert done == ["first"]


class HungUpLock:
    """A lock whose first taker is hung up on when it has it, and before anything else."""

    def __init__(self) -> None:
        self._lock, self._struck = threading.Lock(), False

    def acquire(self, blocking: bool = True) -> bool:
        taken = self._lock.acquire(blocking)
        if not self._struck:
            self._struck = True
            os.kill(os.getpid(), signal.SIGHUP)
        return taken

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


class TestUndo:
    """The stack of steps that put things back."""

    def test_goes_backwards_and_only_once(self) -> None:
        undo, done = Undo(), []
        for step in "abc":
            undo.register(lambda step=step: done.append(step))
        undo.register(None)
        undo.run()
        undo.run()
        assert done == ["c", "b", "a"]

    def test_tries_all_steps_and_tells_all_failures(self) -> None:
        undo, done = Undo(), []

        def fail(text: str) -> None:
            raise OSError(text)

        undo.register(lambda: fail("one"))
        undo.register(lambda: done.append("between"))
        undo.register(lambda: fail("two"))
        with pytest.raises(ResourceError, match="could not be undone: two; one"):
            undo.run()
        assert done == ["between"]
