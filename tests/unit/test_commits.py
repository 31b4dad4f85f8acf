"""What `fab pending` and `fab plan` say, given what was found."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hostsmith.hostkit.programs.history import Commit
from hostsmith.report import Result
from hostsmith.views.changes import HostPlan, Names
from hostsmith.views.commits import Pending, note_of

LIVE, WANTED = "1f3c2ab" + "0" * 33, "9be07d4" + "0" * 33
COMMIT = Commit(WANTED, "2026-11-20", "Ann", "Add a page")
NONE = Pending("20261121-101500-1f3c2ab", LIVE, LIVE)
NOTHING = HostPlan(NONE, (), Names(), ("web",), ())


def text(found: Pending | HostPlan) -> str:
    return "\n".join(line for line, _ in found.lines())


def test_nothing_pending_is_said() -> None:
    assert (NONE.title, text(NONE), NONE.is_something) == ("live 1f3c2ab", "nothing is pending", False)


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        (replace(NONE, new=(COMMIT,)), r"\+ 9be07d4 2026-11-20 Ann: Add a page"),
        (replace(NONE, gone=(COMMIT,)), "goes back: .*\n- 9be07d4 2026-11-20 Ann: Add a page"),
        (replace(NONE, unknown="git fetch"), "git fetch"),
        (replace(NONE, live=f"{LIVE}+dirty"), "the live release has uncommitted changes"),
        (Pending(None, None, WANTED), "everything would be new"),
    ],
)
def test_what_a_deploy_would_change_is_something(pending: Pending, expected: str) -> None:
    assert re.fullmatch(f"{expected}.*", text(pending), re.DOTALL)
    assert "nothing is pending" not in text(pending)
    assert pending.is_something
    assert pending.to_json()["pending"]
    assert replace(NOTHING, pending=pending).is_something


def test_of_very_many_commits_the_newest_are_shown_and_the_others_counted() -> None:
    lines = text(replace(NONE, new=(COMMIT,) * 1000)).splitlines()
    assert lines[-1] == "+ and 980 more"
    assert len(lines) == 21


def test_hosts_are_alike_by_commit_whatever_their_releases_are_called() -> None:
    assert replace(NONE, release="20261121-101501-1f3c2ab") == NONE
    assert replace(NONE, live=WANTED) != NONE


def test_a_dirty_source_is_noted() -> None:
    assert note_of([NONE]) == ""
    assert "--dirty" in note_of([NONE, replace(NONE, wanted=f"{WANTED}+dirty")])


def test_a_plan_without_a_change_says_so() -> None:
    assert text(NOTHING) == "nothing to do"
    assert not NOTHING.to_json()["changes"]


@pytest.mark.parametrize(
    "plan",
    [
        replace(NOTHING, configuration=(Result("configuration", "changed"),)),
        replace(NOTHING, environment=Names(changed=("KEY",))),
        replace(NOTHING, provision=(Result("reload nginx", "ran"),)),
    ],
)
def test_whatever_differs_is_something_to_do(plan: HostPlan) -> None:
    assert plan.is_something
    assert plan.to_json()["changes"]
    assert "nothing to do" not in text(plan)
    assert ("start    web" in text(plan)) == plan.deploys


def test_a_plan_tells_the_names_of_variables_and_the_diffs() -> None:
    plan = replace(
        NOTHING,
        environment=Names(("NEW",), ("OLD", "OLDER"), ("KEY",)),
        provision=(Result("nginx site", "changed", "hello", "-old\n+new\n"), Result("reload nginx", "ran")),
    )
    assert list(plan.lines()) == [
        ("deploy", "bold"),
        ("  nothing is pending", None),
        ("  environment: + NEW, - OLD, - OLDER, ~ KEY", "yellow"),
        ("  start    web", "cyan"),
        ("provision", "bold"),
        ("  change   nginx site: hello", "green"),
        ("    -old", "red"),
        ("    +new", "green"),
        ("  run      reload nginx", "cyan"),
    ]


def test_a_host_without_the_app_is_planned_for_provision_alone() -> None:
    plan = HostPlan(None, (), Names(), (), (Result("haproxy", "changed"),))
    assert (plan.title, text(plan)) == ("without the app", "provision\n  change   haproxy")
