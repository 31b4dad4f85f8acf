"""Settled: a release that is live and proven is the only one that runs, and nothing that fails here fails a deploy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hostsmith.contract.base import ResourceError
from hostsmith.hostkit.supervisor import supervisord
from hostsmith.resources.release import settled as module
from hostsmith.resources.release.settled import Settled
from local_host import LocalHost
from one_host import NEW, OLD, OneHost


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OneHost:
    """Switched, with both releases running."""
    folder = tmp_path / "srv"
    folder.mkdir()
    one = OneHost(folder, monkeypatch)
    os.unlink(one.layout.current)
    one.point(NEW)
    one.supervisord.states[one.layout.group(NEW)] = "RUNNING"
    return one


def settled(retire: str | None = None) -> Settled:
    return Settled("blog", NEW, OLD, 0.1, retire)


def test_the_old_release_ends_and_the_new_one_runs_on(host: LocalHost, one: OneHost) -> None:
    assert host.converge(settled()).summary == f"stopped {OLD}"
    assert (one.running, one.state(OLD)) == ([NEW], "proven")
    assert host.converge(settled()).states == ["ok"]


def test_other_apps_run_on(host: LocalHost, one: OneHost) -> None:
    one.supervisord.states["shop-20261120-101500-x"] = "RUNNING"
    host.converge(settled())
    assert one.running == [NEW, "shop-20261120-101500-x"]


def test_its_requests_are_waited_for_before_it_is_stopped(
    host: LocalHost, one: OneHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained = []

    def drain(path: str, timeout: float) -> int:
        drained.append((path, timeout, OLD in one.running))
        return 2

    monkeypatch.setattr(module, "drain", drain)
    assert host.converge(settled()).notes == [f"2 connections to {OLD} were still open after 0.1 s"]
    assert drained == [(one.layout.socket(OLD), 0.1, True)]
    assert one.running == [NEW]


def test_one_that_was_rolled_back_from_is_bad(host: LocalHost, one: OneHost) -> None:
    host.converge(settled("rolled back"))
    record = one.layout.record(OLD)
    assert (record.state, record.reason) == ("bad", "rolled back")


@pytest.mark.parametrize("error", [ResourceError("supervisord does not answer"), OSError("disk")])
def test_what_cannot_be_retired_is_told_and_fails_nothing(
    host: LocalHost, one: OneHost, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(groups: object) -> None:
        raise error

    monkeypatch.setattr(supervisord, "stop_groups", fail)
    outcome = host.converge(settled())
    assert (outcome.ok, outcome.states) == (True, ["changed"])
    assert outcome.notes == [f"{NEW} is live, but the previous release could not be retired: {error}"]
