"""What `fab status` says of a fleet: who lags, who is unhealthy, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest
from hostsmith import __version__
from hostsmith.views.overview import COLUMNS, compare, remarks, row, style

OLD, MIDDLE, NEW = "20261121-101500-1f3c2ab", "20261121-102000-5be07d4", "20261121-114210-9be07d4"
GIB = 1024**3


def answer(live: str | None = NEW, **changes: Any) -> dict[str, Any]:
    """What a web host answers that has nothing wrong with it, but for the changes."""
    return {
        "roles": ["web"],
        "live": live,
        "releases": {release: "proven" for release in (OLD, MIDDLE, NEW) if live and release <= live},
        "processes": [{"name": "web", "state": "running", "pid": 7, "uptime": 3 * 3600}],
        "servers": [],
        "problem": None,
        "disk": {"used": 42 * GIB, "free": 58 * GIB},
        "lock": None,
        "cut_off": "",
        "maintenance": None,
        "provisioned_by": __version__,
        "runs_app": True,
        "lags": False,
        "behind": 0,
        "drift": [],
        "drift_problem": "",
        **changes,
    }


def cells(found: dict[str, Any]) -> dict[str, str]:
    return dict(zip(COLUMNS, row("web1", found), strict=True))


def compared(**answers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    compare(answers.values())
    return answers


def test_a_host_that_is_well_needs_no_remark() -> None:
    hosts = compared(web1=answer(), web2=answer())
    assert cells(hosts["web1"]) == {
        "HOST": "web1",
        "ROLES": "web",
        "RELEASE": NEW,
        "HEALTH": "healthy",
        "DISK": "42%, 58G free",
        "LAG": "-",
        "DRIFT": "no",
        "HOSTSMITH": __version__,
        "PROCESSES": "web up 3 h",
    }
    assert remarks(hosts) == []
    assert style(hosts["web1"]) is None


@pytest.mark.parametrize(("live", "lag"), [(MIDDLE, "1"), (OLD, "2"), (None, "3")])
def test_a_host_that_missed_deploys_lags_by_as_many_releases(live: str | None, lag: str) -> None:
    hosts = compared(web1=answer(), web2=answer(live))
    assert cells(hosts["web1"])["LAG"] == "-"
    assert cells(hosts["web2"])["LAG"] == lag
    assert remarks(hosts) == ["web2 lags behind: the next `fab deploy` updates it"]


def test_releases_that_were_never_healthy_do_not_count_as_lag() -> None:
    releases = {OLD: "proven", MIDDLE: "failed", NEW: "proven"}
    assert cells(compared(web1=answer(releases=releases), web2=answer(OLD))["web2"])["LAG"] == "1"


def test_a_host_that_missed_a_rollback_is_the_one_that_stands_out() -> None:
    gone_back = answer(OLD, releases={OLD: "proven", NEW: "bad"})
    hosts = compared(web1=gone_back, web2=answer(NEW), web3=gone_back.copy())
    assert [cells(found)["LAG"] for found in hosts.values()] == ["-", "ahead", "-"]
    assert remarks(hosts) == ["web2 still runs a release that the others rolled back: `fab deploy` replaces it"]


def test_hosts_that_all_went_back_do_not_lag() -> None:
    gone_back = answer(OLD, releases={OLD: "proven", NEW: "bad"})
    assert remarks(compared(web1=gone_back, web2=gone_back.copy())) == []


def test_a_fleet_without_a_release_does_not_lag() -> None:
    hosts = compared(web1=answer(None, processes=[]), web2=answer(None, processes=[]))
    assert cells(hosts["web1"]) | {"DISK": ""} == {
        **dict.fromkeys(COLUMNS, "-"),
        "HOST": "web1",
        "ROLES": "web",
        "RELEASE": "none",
        "DISK": "",
        "DRIFT": "no",
        "HOSTSMITH": __version__,
    }
    assert remarks(hosts) == []


def test_a_balancer_has_no_release_and_shows_its_web_hosts() -> None:
    servers = [{"name": "web1", "status": "UP"}, {"name": "web2", "status": "DRAIN"}]
    balancer = answer(None, roles=["lb"], runs_app=False, processes=[], servers=servers)
    hosts = compared(web1=answer(), lb=balancer)
    found = cells(hosts["lb"])
    assert (found["RELEASE"], found["LAG"], found["HEALTH"]) == ("-", "-", "healthy")
    assert found["PROCESSES"] == "haproxy: web1 up, web2 drain"


def test_what_is_wrong_is_told_below_the_table() -> None:
    hosts = compared(
        web1=answer(problem="GET /healthz answered 500", lock="deploy by ada@laptop"),
        web2=answer(drift=["file /etc/x"]),
        web3=answer(drift=None, drift_problem="no template"),
        web4=answer(drift=None, drift_problem="no template", cut_off=f"live release {NEW}"),
    )
    assert [style(found) for found in hosts.values()] == ["red", "yellow", "yellow", "yellow"]
    assert [cells(found)["DRIFT"] for found in hosts.values()] == ["no", "yes", "?", "?"]
    assert cells(hosts["web1"])["HEALTH"] == "unhealthy"
    assert remarks(hosts) == [
        "web1: GET /healthz answered 500",
        "web2 is not as provisioned: `fab provision --dry-run` shows what differs",
        "web3, web4: drift unknown: no template",
        "web1 is held by deploy by ada@laptop",
        f"web4: a run was cut off; the next one first reverts: live release {NEW}",
    ]


def test_maintenance_is_told_and_who_is_not_in_it() -> None:
    notice = {"since": "2026-11-21 10:15:00Z", "who": "ann@laptop", "message": "Back soon."}
    hosts = compared(web1=answer(maintenance=notice), web2=answer(), worker=answer(processes=[]))
    assert remarks(hosts) == [
        "web1 is in maintenance since 2026-11-21 10:15:00Z, by ann@laptop; `fab maintenance.off` ends it",
        "web2 is not in maintenance",
    ]


def test_hosts_that_another_version_has_provisioned_are_named_with_who_has_to_act() -> None:
    hosts = compared(
        web1=answer(provisioned_by="0.1.0"),
        web2=answer(provisioned_by="0.1.0"),
        web3=answer(provisioned_by="77.0"),
        web4=answer(provisioned_by=None),
    )
    assert [cells(found)["HOSTSMITH"] for found in hosts.values()] == ["0.1.0", "0.1.0", "77.0", "-"]
    yours = f"than yours ({__version__})"
    assert remarks(hosts) == [
        f"web1, web2 were provisioned by hostsmith 0.1.0, older {yours}: `fab provision` updates that",
        f"web3 was provisioned by hostsmith 77.0, newer {yours}: upgrade hostsmith on your machine",
    ]


def test_a_host_that_did_not_answer_has_a_row_of_its_own() -> None:
    silent = {"roles": None, "error": "unreachable", "reason": "no SSH connection"}
    assert row("web1", silent) == ("web1", "every role", "unreachable", "?", "?", "?", "?", "?", "?")
    assert style(silent) == "red"
    assert remarks({"web1": silent}) == []


@pytest.mark.parametrize(
    ("process", "shown"),
    [
        ({"state": "running", "pid": 7, "uptime": 0}, "worker up 0 s"),
        ({"state": "running", "pid": 7, "uptime": 125}, "worker up 2 min"),
        ({"state": "running", "pid": 7, "uptime": 3 * 86400}, "worker up 3 d"),
        ({"state": "starting", "pid": 7, "uptime": 1}, "worker starting"),
        ({"state": "fatal", "pid": 0, "uptime": 0}, "worker down (fatal)"),
    ],
)
def test_a_process_is_up_for_so_long_or_down(process: dict[str, Any], shown: str) -> None:
    assert cells(answer(processes=[{"name": "worker", **process}]))["PROCESSES"] == shown


@pytest.mark.parametrize(
    ("used", "free", "shown"),
    [
        (0, 0, "0%, 0B free"),
        (1, 99 * GIB, "1%, 99G free"),
        (GIB, GIB // 2, "67%, 512M free"),
        (1, 5 * 1024 * GIB, "1%, 5.0T free"),
    ],
)
def test_a_disk_is_shown_as_df_does(used: int, free: int, shown: str) -> None:
    assert cells(answer(disk={"used": used, "free": free}))["DISK"] == shown
