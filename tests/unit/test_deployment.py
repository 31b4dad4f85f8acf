"""A deploy is all or nothing over the fleet: with real agents, each a process of this machine, and no root."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hostsmith.deployment.redeploy import Current
from hostsmith.errors import FleetError
from hostsmith.fleet import Member
from hostsmith.hostkit.app.layout import Record
from hostsmith.hostkit.app.variables import Variables
from hostsmith.inventory.targets import Target
from hostsmith.openssh.host import Host
from hostsmith.resources import Command, Secret
from hostsmith.tasks import deploy
from local_fleet import NEW, OLD, LocalFleet, local_fleet
from local_host import Agent


@pytest.fixture
def trio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalFleet:
    return local_fleet(tmp_path, monkeypatch, ["web1", "web2", "web3"])


@pytest.fixture
def single(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalFleet:
    return local_fleet(tmp_path, monkeypatch, ["web1"])


def failed(fleet: LocalFleet, **options: Any) -> FleetError:
    with pytest.raises(FleetError) as caught:
        fleet.deploy(**options)
    return caught.value


def verdicts(error: FleetError) -> list[str]:
    return [report.verdict for report in error.reports]


def steps(fleet: LocalFleet, *names: str) -> list[str]:
    """The steps of these names, without their hosts."""
    return [line.partition(" ")[2] for line in fleet.log if line.partition(" ")[2] in names]


def recover(fleet: LocalFleet, name: str) -> None:
    """Begin another run on a host, which first undoes what one that was cut off has left in doubt."""
    with Agent(fleet[name].folder) as agent:
        agent.lock(wait=30)


def test_all_hosts_switch(trio: LocalFleet) -> None:
    deployment = trio.deploy(batch=2)
    assert trio.live == [NEW] * 3
    assert [report.verdict for report in deployment.reports] == ["switched"] * 3
    assert all(report.ok for report in deployment.reports)


def test_each_step_is_finished_on_all_hosts_before_the_next_begins(trio: LocalFleet) -> None:
    trio.deploy(batch=1)
    found = [line.partition(" ")[2] for line in trio.log]
    order = ["prepare", "release", "activate", "verify", "settle None", "prune"]
    assert sorted(found[:-6], key=order.index) == found[:-6]
    # Hosts are told to keep the release, and then none waits for another.
    assert sorted(found[-6:]) == ["prune"] * 3 + ["settle None"] * 3


def test_the_release_command_runs_on_one_host(trio: LocalFleet) -> None:
    trio.deploy()
    assert [line for line in trio.log if line.endswith(" release")] == ["web1 release"]


@pytest.mark.parametrize("host", ["web1", "web2", "web3"])
def test_a_host_that_cannot_prepare_leaves_all_as_they_were(trio: LocalFleet, host: str) -> None:
    trio[host].mark("prepare fails")
    error = failed(trio)
    assert trio.live == [OLD] * 3
    assert verdicts(error) == ["kept"] * 3
    assert [report.host for report in error.failed] == [host]
    assert steps(trio, "release", "activate") == []


def test_a_release_command_that_fails_leaves_all_as_they_were(trio: LocalFleet) -> None:
    trio["web1"].mark("release fails")
    assert "the release command failed" in str(failed(trio))
    assert trio.live == [OLD] * 3
    assert steps(trio, "activate") == []


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("host", ["web1", "web2", "web3"])
def test_a_host_that_does_not_go_live_takes_the_others_back(trio: LocalFleet, host: str, batch: int) -> None:
    trio[host].mark("activate fails")
    error = failed(trio, batch=batch)
    assert trio.live == [OLD] * 3
    assert "the previous release is still live" in str(error)
    assert set(verdicts(error)) <= {"kept", "reverted"}
    assert steps(trio, "settle None", "prune") == []


def test_hosts_of_later_batches_do_not_switch_after_a_failure(trio: LocalFleet) -> None:
    trio["web1"].mark("activate fails")
    failed(trio, batch=1)
    assert [line for line in trio.log if line.endswith("activate")] == ["web1 activate"]


@pytest.mark.parametrize("host", ["web1", "web2", "web3"])
def test_a_host_that_does_not_stay_healthy_takes_all_back(trio: LocalFleet, host: str) -> None:
    trio[host].mark("unhealthy")
    error = failed(trio, batch=1)
    assert trio.live == [OLD] * 3
    assert verdicts(error) == ["reverted"] * 3
    assert "after the switch: no answer" in str(error)


def test_a_host_that_is_lost_while_it_switches_goes_back_by_itself(trio: LocalFleet) -> None:
    trio["web2"].mark("activate dies")
    error = failed(trio, batch=1)
    assert verdicts(error) == ["reverted", "unreachable", "kept"]
    assert error.failed[0].kind == "lost"
    assert [trio["web1"].live, trio["web3"].live] == [OLD, OLD]
    recover(trio, "web2")
    assert trio["web2"].live == OLD


def test_an_unreachable_host_stops_the_run_before_it_has_begun(trio: LocalFleet) -> None:
    trio["web3"].is_reachable = False
    error = failed(trio)
    assert (error.kind, error.host) == ("fleet", "web3")
    assert (error.failed[0].kind, error.failed[0].verdict) == ("unreachable", "unreachable")
    assert trio.log == []


def test_an_unreachable_host_can_be_left_out(trio: LocalFleet) -> None:
    trio["web2"].is_reachable = False
    deployment = trio.deploy(skip_unreachable=True)
    assert trio.live == [NEW, OLD, NEW]
    assert [report.host for report in deployment.left_out] == ["web2"]


def test_a_fleet_that_is_unreachable_as_a_whole_is_an_error(trio: LocalFleet) -> None:
    for host in trio.hosts.values():
        host.is_reachable = False
    assert len(failed(trio, skip_unreachable=True).failed) == 3


def test_a_host_that_another_run_holds_stops_the_run_and_no_lock_is_kept(trio: LocalFleet) -> None:
    with Agent(trio["web2"].folder) as other:
        other.lock(who="bob@desk")
        error = failed(trio)
        assert error.failed[0].kind == "locked"
        assert "bob@desk" in error.failed[0].error
        assert trio.log == []
        with Agent(trio["web1"].folder) as free:
            assert free.lock(wait=30)[-1]["ok"]


class TestSingletons:
    """Never two of one, and never for long none."""

    def test_those_of_the_previous_release_stop_on_all_hosts_before_new_ones_start(self, trio: LocalFleet) -> None:
        trio["web1"].mark("runs")
        trio["web3"].mark("runs")
        trio["web2"].mark("starts")
        trio.deploy()
        assert steps(trio, "stop singletons", "start singletons") == ["stop singletons"] * 2 + ["start singletons"]
        # Workers may take long to finish.
        assert trio.log.index("web2 start singletons") < trio.log.index("web2 settle None")

    def test_none_start_while_old_ones_may_run(self, trio: LocalFleet) -> None:
        trio["web1"].mark("runs")
        trio["web1"].mark("stop singletons fails")
        trio["web2"].mark("starts")
        error = failed(trio)
        assert "its singletons are not started, since those of web1 may still run" in str(error)
        assert trio.live == [NEW] * 3
        assert steps(trio, "start singletons") == []

    def test_none_start_while_a_host_with_old_ones_was_lost_before_it_kept_the_release(
        self, trio: LocalFleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It goes back to its previous release, and runs these on."""
        trio["web1"].mark("runs")
        trio["web2"].mark("starts")
        trio["web1"].dies_at = "confirm"
        error = failed(trio)
        assert "its singletons are not started, since those of web1 may still run" in str(error)
        assert steps(trio, "start singletons") == []


def test_a_host_that_claims_success_without_a_result_is_no_traceback(trio: LocalFleet) -> None:
    trio["web2"].swallows = "result"
    trio.deploy()
    assert trio.live == [NEW] * 3


def test_what_no_host_is_to_blame_for_is_a_failure_of_that_host(
    trio: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug must not leave some hosts with one release and some with another."""
    event = Member.on_event

    def broken(self: Member, found: Any) -> None:
        if self.label == "web2" and found["event"] == "result" and "live release" in found["resource"]:
            raise ValueError("no such letter")
        event(self, found)

    monkeypatch.setattr(Member, "on_event", broken)
    error = failed(trio)
    assert "web2: internal error: ValueError: no such letter (test_deployment.py:" in str(error)
    assert error.failed[0].kind == "bug"
    assert trio.live == [OLD] * 3


class TestOneHost:
    """One host is a fleet of one: the same steps, and no round trip more than it needs."""

    def test_what_waits_for_no_other_host_is_sent_together(self, single: LocalFleet) -> None:
        single.deploy()
        assert single["web1"].trips == [
            ["lock"],
            ["converge"],
            ["converge"],
            ["converge", "ask"],
            ["confirm", "converge"],
        ]

    @pytest.mark.parametrize("fault", ["prepare fails", "release fails", "activate fails", "unhealthy"])
    def test_it_has_its_previous_release_after_a_fault(self, single: LocalFleet, fault: str) -> None:
        single["web1"].mark(fault)
        failed(single)
        assert single.live == [OLD]

    def test_its_singletons_are_handed_over_before_workers_finish(self, single: LocalFleet) -> None:
        for name in ("runs", "starts"):
            single["web1"].mark(name)
        single.deploy()
        handed_over = [line.partition(" ")[2] for line in single.log][-4:]
        assert handed_over == ["stop singletons", "start singletons", "settle None", "prune"]


def test_the_last_host_by_itself_is_verified_when_it_switches(trio: LocalFleet) -> None:
    trio.deploy(batch=1)
    assert ["converge", "ask"] in trio["web3"].trips
    assert ["converge", "ask"] not in trio["web1"].trips


def test_a_release_that_is_kept_is_kept_before_a_host_settles_when_hosts_wait_for_others(trio: LocalFleet) -> None:
    trio.deploy(concurrency=2)
    assert all(["confirm"] in host.trips for host in trio.hosts.values())


def test_what_fails_after_the_release_is_kept_does_not_take_it_back(trio: LocalFleet) -> None:
    trio["web1"].mark("settle None fails")
    error = failed(trio)
    assert "it is live, but not all was done" in str(error)
    assert trio.live == [NEW] * 3
    assert verdicts(error) == ["switched"] * 3


class TestRollback:
    """A rollback is the same transaction, without a preparation."""

    def test_it_prepares_prunes_and_runs_nothing(self, trio: LocalFleet) -> None:
        self._back(trio, retire="rolled back by ann", previous="20260103-000000-ccccccc")
        assert steps(trio, "prepare", "release", "prune") == []
        assert steps(trio, "settle rolled back by ann") == ["settle rolled back by ann"] * 3

    def test_a_release_that_is_left_for_a_newer_one_is_not_marked_bad(self, trio: LocalFleet) -> None:
        self._back(trio, retire="rolled back by ann", previous=OLD)
        assert steps(trio, "settle None") == ["settle None"] * 3

    @staticmethod
    def _back(fleet: LocalFleet, retire: str, previous: str) -> None:
        from hostsmith.deployment.deployment import Rollout

        with fleet.deployment() as deployment:
            before = dict.fromkeys(deployment.fleet.members, previous)
            deployment.run(lambda answers: Rollout(NEW, before, retire=retire))


def test_nothing_to_do_changes_nothing(trio: LocalFleet) -> None:
    with trio.deployment() as deployment:
        assert deployment.run(lambda answers: None) is None
    assert trio.log == []


def test_an_error_while_the_release_is_chosen_changes_nothing(trio: LocalFleet) -> None:
    def choose(answers: Any) -> Any:
        raise FleetError("no")

    with pytest.raises(FleetError, match="no"), trio.deployment() as deployment:
        deployment.run(choose)
    assert trio.live == [OLD] * 3


def test_what_a_host_prints_is_in_its_report(trio: LocalFleet) -> None:
    with trio.deployment() as deployment:
        deployment.reach()
        deployment.lock()
        work = partial(Command, ["sh", "-c", "echo reason >&2; exit 3"], label="work")
        deployment.fleet.each(lambda member: member.converge("work", [work()]), deployment.fleet.members[:1])
        assert "reason" in deployment.reports[0].problem()
        assert deployment.reports[1].ok


def test_at_least_half_of_the_hosts_serve_while_others_are_out_of_rotation(trio: LocalFleet) -> None:
    deployment = trio.deployment(batch="100%")
    assert [len(batch) for batch in deployment._batches()] == [3]
    deployment._balancers = deployment.fleet
    assert [len(batch) for batch in deployment._batches()] == [1, 1, 1]


@pytest.mark.parametrize("fails_on", ["nothing", "web1", "db"])
def test_nothing_is_migrated_without_the_backup_of_each_host_that_has_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_on: str
) -> None:
    """Also of a database host of its own, which takes no part in the deploy."""
    fleet = local_fleet(tmp_path, monkeypatch, ["web1", "db"])
    db = fleet.hosts.pop("db")
    deployment = fleet.deployment(backup={"before_migrate": True})
    fleet.hosts["db"] = db
    host = Host("db")
    connection: Any = SimpleNamespace(name="db")
    beside = [Target(connection, host, frozenset({"db"}), deployment.settings)]
    # The host of the app is first, and the other one second.
    least = {"nothing": 3, "web1": 1, "db": 2}[fails_on]
    backup = Command(["sh", "-c", f"echo x >> {tmp_path}/backups; [ $(wc -l < {tmp_path}/backups) -lt {least} ]"])
    monkeypatch.setattr(deploy.parts, "beside", lambda *arguments: beside)
    monkeypatch.setattr(deploy.recipes.backup, "backed_up", lambda settings: backup)
    with contextlib.ExitStack() as block:
        if fails_on != "nothing":
            error = block.enter_context(pytest.raises(FleetError))
        block.enter_context(deployment)
        deployment.reach()
        deployment.lock()
        deploy._back_up(deployment)
    assert (tmp_path / "backups").read_text() == "x\n" * min(least, 2)
    if fails_on != "nothing":
        (report,) = error.value.reports
        assert report.host == "web1"
        assert ("db: " in (report.problem() or "")) is (fails_on == "db")


def test_another_scale_alone_is_a_reason_for_a_new_release(trio: LocalFleet) -> None:
    members = trio.deployment().fleet.members
    there = Variables(chosen={"A": Secret("x")}, scale={"worker": 2})
    kept: Any = {member: SimpleNamespace(variables=there) for member in members}
    current = Current(Record(OLD), kept, [OLD])
    assert current.has(Variables(chosen={"A": Secret("x")}, scale={"worker": 2}))
    assert not current.has(Variables(chosen={"A": Secret("x")}, scale={"worker": 3}))
    assert not current.has(Variables(chosen={"A": Secret("y")}, scale={"worker": 2}))
    kept[members[-1]] = SimpleNamespace(variables=Variables(chosen={"A": Secret("x")}, scale={}))
    assert not current.has(there), "one host has another one"
