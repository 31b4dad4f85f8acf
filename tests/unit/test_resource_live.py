"""Live: the old release serves until the new one is well, on the disk and switched to, and whenever it is not."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostsmith.agent import engine
from hostsmith.agent.held import Held
from hostsmith.agent.journal import Journal
from hostsmith.agent.owed import Owed
from hostsmith.contract import redact
from hostsmith.hostkit.linux import folders
from hostsmith.resources import ResourceError, Secret
from hostsmith.resources.release import live as module
from hostsmith.resources.release.live import GoBack, Live
from local_host import LocalHost
from one_host import NEW, OLD, OneHost, health


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OneHost:
    folder = tmp_path / "srv"
    folder.mkdir()
    return OneHost(folder, monkeypatch)


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redact._Known, "spellings", ())
    yield


def live(*answers: str | None) -> Live:
    return Live("blog", NEW, health(*answers), None, 0.1)


def the_old_one_serves(one: OneHost) -> None:
    assert one.layout.live() == OLD
    assert one.running == [OLD]
    assert not os.path.lexists(one.layout.candidate_config)


def test_it_is_started_beside_the_old_one_and_switched_to(host: LocalHost, one: OneHost) -> None:
    during = []
    one.supervisord.after["addProcessGroup"] = lambda group: during.append(
        (one.layout.live(), os.readlink(one.layout.candidate_config))
    )
    outcome = host.converge(live("starts", None))
    assert outcome.summary == f"{OLD} -> {NEW}"
    assert during == [(OLD, f"{one.layout.release(NEW)}/supervisor.conf")]
    assert (one.layout.live(), one.running) == (NEW, [OLD, NEW])
    assert not os.path.lexists(one.layout.candidate_config), "a boot would start it"
    assert os.readlink(one.layout.boot_config) == f"{one.layout.current}/supervisor.conf"
    assert one.state(NEW) == "proven"
    assert host.converge(live()).states == ["ok"]


def test_its_files_are_on_the_disk_before_it_is_live(
    host: LocalHost, one: OneHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    sync_tree = folders.sync_tree

    def sync(folder: str) -> None:
        synced.append((folder, one.layout.live()))
        sync_tree(folder)

    monkeypatch.setattr(folders, "sync_tree", sync)
    assert host.converge(live()).ok
    assert synced == [(one.layout.release(NEW), OLD)]


def test_one_that_is_not_well_in_time_never_is_live(host: LocalHost, one: OneHost) -> None:
    Path(one.layout.logs, f"web-{NEW}.log").write_text("of before\n")
    one.supervisord.after["addProcessGroup"] = lambda group: Path(one.layout.logs, f"web-{NEW}.log").write_text(
        "of before\nKeyError: 'SECRET_KEY'\n"
    )
    error = host.converge(live("GET / answered 500")).error
    assert error.splitlines() == [
        "not healthy within 0.2 s: GET / answered 500",
        "log of web:",
        "KeyError: 'SECRET_KEY'",
    ]
    the_old_one_serves(one)
    assert one.state(NEW) == "failed"
    assert one.layout.record(NEW).reason == "not healthy within 0.2 s: GET / answered 500"


def test_one_whose_process_ends_while_a_child_of_it_answers_is_refused(host: LocalHost, one: OneHost) -> None:
    """supervisord could not stop what it has not started."""
    one.supervisord.after["addProcessGroup"] = lambda group: one.supervisord.states.update({group: "EXITED"})
    assert "process web ended while it was starting" in host.converge(live()).error
    the_old_one_serves(one)


def test_one_without_its_virtualenv_is_not_even_started(host: LocalHost, one: OneHost) -> None:
    Path(one.layout.release(NEW), "venv/bin/python").unlink()
    assert "its virtualenv is missing" in host.converge(live()).error
    assert ("addProcessGroup", one.layout.group(NEW)) not in one.supervisord.asked


@pytest.mark.usefixtures("nothing_known")
def test_why_it_failed_is_kept_for_all_to_read_without_secrets(host: LocalHost, one: OneHost) -> None:
    redact.remember(Secret("hunter2-long"))
    host.converge(live("GET /?token=hunter2-long answered 500"))
    assert one.layout.record(NEW).reason == "not healthy within 0.2 s: GET /?token=*** answered 500"
    assert "hunter2" not in Path(one.layout.release(NEW), "release.json").read_text()


def test_one_that_was_proven_before_stays_so_when_it_fails(host: LocalHost, one: OneHost) -> None:
    one.layout.mark(NEW, "proven")
    assert not host.converge(live("GET / answered 500")).ok
    the_old_one_serves(one)
    assert one.state(NEW) == "proven"


def test_the_first_release_leaves_nothing_live_when_it_is_taken_back(host: LocalHost, one: OneHost) -> None:
    os.unlink(one.layout.current)
    one.supervisord.states.clear()
    host.undo(live())
    assert one.layout.live() is None
    assert one.running == []
    assert os.listdir(f"{one.layout.base}/conf.d") == []


@pytest.mark.parametrize("end", ["confirm", "put back"])
def test_one_of_several_hosts_is_proven_when_all_have_switched(one: OneHost, tmp_path: Path, end: str) -> None:
    held, owed, journal = Held(), Owed(f"{tmp_path}/owed"), Journal(f"{tmp_path}/journal.conf")
    assert engine.converge([live()], owed, journal, held)
    assert (one.layout.live(), one.state(NEW)) == (NEW, "building")
    assert journal.describe() == f"live release {NEW}"
    if end == "confirm":
        held.confirm(journal)
        assert (one.layout.live(), one.state(NEW), one.running) == (NEW, "proven", [OLD, NEW])
    else:
        assert engine.roll_back(held, owed, journal)
        the_old_one_serves(one)
        assert one.layout.record(NEW).reason == "rolled back before it was confirmed"
    assert not journal


class TestGoingBack:
    """What takes a switch back, at once or at a boot."""

    def test_has_the_old_one_serve_and_ends_the_new_one(self, host: LocalHost, one: OneHost) -> None:
        host.undo(live())
        the_old_one_serves(one)
        assert (one.state(OLD), one.state(NEW)) == ("proven", "failed")

    def test_lets_the_new_one_finish_its_requests_before_it_is_stopped(
        self, host: LocalHost, one: OneHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drained = []

        def drain(path: str, timeout: float) -> int:
            drained.append((path, timeout, one.layout.live(), one.running))
            return 0

        monkeypatch.setattr(module, "drain", drain)
        host.undo(live())
        assert drained == [(one.layout.socket(NEW), 0.1, OLD, [OLD, NEW])]
        the_old_one_serves(one)

    def test_starts_the_old_one_when_it_has_ended(self, host: LocalHost, one: OneHost) -> None:
        host.converge(live())
        one.supervisord.states[one.layout.group(OLD)] = "EXITED"
        live().go_back(OLD)
        the_old_one_serves(one)
        assert ("startProcessGroup", one.layout.group(OLD)) in one.supervisord.asked

    def test_starts_the_old_one_when_it_is_not_well_any_more(self, host: LocalHost, one: OneHost) -> None:
        host.converge(live())
        live("GET / answered 500", None).go_back(OLD)
        the_old_one_serves(one)
        assert ("startProcessGroup", one.layout.group(OLD)) in one.supervisord.asked

    def test_keeps_the_new_one_when_the_old_one_is_not_well_any_more(self, host: LocalHost, one: OneHost) -> None:
        host.converge(live())
        with pytest.raises(ResourceError, match=f"{NEW} stays live, since {OLD} is unhealthy now"):
            live("GET / answered 500").go_back(OLD)
        assert one.layout.live() == NEW
        assert NEW in one.running

    def test_leaves_a_release_alone_that_has_gone_live_since(self, host: LocalHost, one: OneHost) -> None:
        os.unlink(one.layout.current)
        one.add("20261122-101500-x")
        one.point("20261122-101500-x")
        live().go_back(OLD)
        assert one.layout.live() == "20261122-101500-x"

    def test_of_a_release_that_was_only_started_again_is_nothing(self, one: OneHost) -> None:
        dataclasses.replace(live(), release=OLD).go_back(OLD)
        the_old_one_serves(one)

    def test_at_a_boot_is_the_link_alone(self) -> None:
        candidate = "r! /etc/supervisor/conf.d/blog.candidate.conf"
        assert GoBack(live(), OLD).at_boot() == [f"L+! /srv/blog/current - - - - releases/{OLD}", candidate]
        assert GoBack(live(), None).at_boot() == ["r! /srv/blog/current", candidate]


def test_one_that_is_live_and_has_died_is_started_again(host: LocalHost, one: OneHost) -> None:
    one.supervisord.states[one.layout.group(OLD)] = "FATAL"
    assert host.converge(dataclasses.replace(live(), release=OLD)).summary == "started again"
    the_old_one_serves(one)
