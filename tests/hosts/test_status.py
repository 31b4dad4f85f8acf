"""What is told of a fleet by looking at it: one table, one session to each host, and a dead one hides no other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hostsmith import __version__
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project, Vps, make_project


@dataclass
class Fleet:
    """A balancer and the two web hosts behind it."""

    project: Project
    lb: Vps
    web: tuple[Vps, Vps]

    @property
    def hosts(self) -> tuple[Vps, ...]:
        return (*self.web, self.lb)

    def table(self, *flags: str, status: int = 0) -> dict[str, str]:
        """The lines of the table, by host; each is named without the user, who here is whoever runs the tests."""
        lines = self.project.fab("status", *flags, status=status).stdout.splitlines()
        return {line.split()[0]: line for line in lines if line.split()[0] in [vps.address for vps in self.hosts]}

    def seen(self, vps: Vps) -> Any:
        return self.project.json("status")[vps.address]

    def wait_until_balanced(self) -> None:
        """Wait until HAProxy has seen that both web hosts are up."""
        deadline = time.monotonic() + 60
        while self.seen(self.lb)["problem"]:
            assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def booted(
    boot: Callable[..., Vps], sandbox: Sandbox, deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    lb, web = boot(), (boot(deployed_image), boot(deployed_image))
    lb.run("echo 'LogLevel VERBOSE' > /etc/ssh/sshd_config.d/log.conf && systemctl restart ssh")
    project = make_project(tmp_path_factory.mktemp("status"), lb)
    project.works_on({"web": [vps.spec for vps in web], "lb": [lb.spec]}, *web)
    for vps in web:
        vps.wait_for_site()
    project.fab("provision")
    yield Fleet(project, lb, web)
    for vps in (lb, *web):
        sandbox.destroy(vps.name)


@pytest.fixture
def fleet(booted: Fleet) -> Fleet:
    """The fleet as every test finds it: all is well."""
    booted.wait_until_balanced()
    return booted


def test_a_fleet_that_is_well_is_a_table_and_nothing_more(fleet: Fleet) -> None:
    lines = fleet.project.fab("status").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["HOST", *(vps.address for vps in fleet.hosts)]
    assert all(word in lines[0] for word in ("ROLES", "RELEASE", "HEALTH", "DISK", "LAG", "DRIFT", "PROCESSES"))
    for vps in fleet.web:
        live = vps.run("readlink /srv/hello/current").strip().removeprefix("releases/")
        words = fleet.table()[vps.address].split()
        assert words[:4] == [vps.address, "web", live, "healthy"]
        assert words[6:12] == ["free", "-", "no", __version__, "web", "up"]
    balancer = fleet.table()[fleet.lb.address]
    assert all(f"{vps.address} up" in balancer for vps in fleet.web)


def test_a_status_is_one_session_on_each_host(fleet: Fleet) -> None:
    before = [vps.sessions() for vps in fleet.hosts]
    fleet.project.fab("status")
    # One of the two is ours, which reads the journal.
    assert [vps.sessions() - count for vps, count in zip(fleet.hosts, before, strict=True)] == [2, 2, 2]


def test_hosts_with_the_same_releases_are_listed_once(fleet: Fleet) -> None:
    first, second = fleet.web
    listed = fleet.project.fab("releases").stdout.splitlines()
    assert listed[0] == f"2 hosts: {first.address}, {second.address}:", listed
    assert [line.split()[1] for line in listed[1:]] == ["STATE", "live"]
    assert list(fleet.project.json("releases")) == [first.address, second.address]


def test_the_disk_is_what_df_says(fleet: Fleet) -> None:
    size, free = fleet.web[0].run("df --output=pcent,avail --block-size=1 /srv | tail -1").split()
    shown = fleet.table()[fleet.web[0].address]
    assert abs(fleet.seen(fleet.web[0])["disk"]["free"] - int(free)) < 500 * 1024**2
    assert any(f"{int(size.rstrip('%')) + near}%," in shown for near in (-1, 0, 1))


def test_a_host_that_missed_a_deploy_lags_until_the_next_one(fleet: Fleet) -> None:
    first, second = fleet.web
    fleet.project.commit("for one host")
    fleet.project.fab("deploy", "--host", first.spec)
    shown = fleet.project.fab("status").stdout
    assert f"{second.address} lags behind: the next `fab deploy` updates it" in shown
    assert [fleet.seen(vps)["behind"] for vps in fleet.web] == [0, 1]

    listed = fleet.project.fab("releases").stdout
    assert f"{first.address}:" in listed.splitlines()
    assert f"{second.address}:" in listed.splitlines()

    fleet.project.fab("deploy")
    assert "lags" not in fleet.project.fab("status").stdout
    assert [fleet.seen(vps)["lags"] for vps in fleet.web] == [False, False]


def test_what_someone_changed_by_hand_is_drift(fleet: Fleet) -> None:
    first, second = fleet.web
    first.run("echo '# mine' >> /etc/nginx/sites-available/hello")
    done = fleet.project.fab("status").stdout
    assert f"{first.address} is not as provisioned" in done
    assert fleet.seen(first)["drift"] == ["nginx site hello"]
    assert fleet.seen(second)["drift"] == []
    # It was only looked at.
    assert "# mine" in first.run("cat /etc/nginx/sites-available/hello")
    fleet.project.fab("provision")
    assert fleet.seen(first)["drift"] == []


def test_a_process_that_does_not_run_is_down_and_said_to_be(fleet: Fleet) -> None:
    first, second = fleet.web
    first.run("supervisorctl stop all")
    done = fleet.project.fab("status").stdout
    assert "web down (stopped)" in done
    assert f"{first.address}: process web is stopped" in done
    assert f"{second.address}: " not in done
    first.run("supervisorctl start all")
    first.wait_for_site()


def test_a_host_whose_supervisord_is_dead_still_shows_the_rest(fleet: Fleet) -> None:
    first, _ = fleet.web
    first.run("systemctl stop supervisor")
    seen = fleet.seen(first)
    assert "supervisord does not answer" in seen["problem"]
    assert seen["live"]
    first.run("systemctl start supervisor")
    first.wait_for_site()


def test_a_balancer_that_does_not_run_is_said_to_be(fleet: Fleet) -> None:
    fleet.lb.run("systemctl stop haproxy")
    assert f"{fleet.lb.address}: HAProxy " in fleet.project.fab("status").stdout
    fleet.lb.run("systemctl start haproxy")


def test_a_host_that_is_away_is_a_row_and_the_others_are_shown(fleet: Fleet) -> None:
    first, second = fleet.web
    second.sandbox.stop(second.name)
    try:
        done = fleet.project.fab("status", status=1)
        assert "unreachable" in fleet.table(status=1)[second.address]
        assert "healthy" in fleet.table(status=1)[first.address]
        assert f"{second.address}: no SSH connection" in done.stderr
        found = json.loads(fleet.project.fab("status", "--json", status=1).stdout)["hosts"]
        assert found[second.address]["error"] == "unreachable"
        assert found[first.address]["problem"] is None
        listed = fleet.project.fab("releases", status=1)
        assert f"{first.address}:" in listed.stdout
        assert "no SSH connection" in listed.stderr
        free = fleet.project.fab("unlock", status=1)
        assert f"{first.address}: nobody holds the lock" in free.stdout
    finally:
        second.sandbox.start(second.name)
        second.wait_for_site()


def test_a_host_whose_name_has_no_address_hides_no_other(fleet: Fleet) -> None:
    specs = [vps.spec for vps in fleet.web]
    roles = {"web": [*specs, "root@gone.invalid"], "lb": [fleet.lb.spec]}
    fleet.project.settings(roles=roles)
    done = fleet.project.fab("status", status=1)
    fleet.project.settings(roles={"web": specs, "lb": [fleet.lb.spec]})
    assert done.stdout.count("healthy") == 3
    assert "drift unknown: fabric.yaml: roles.web: found root@gone.invalid" in done.stdout
    assert "gone.invalid: no SSH connection" in done.stderr


def test_the_flags_limit_what_is_looked_at(fleet: Fleet) -> None:
    first, second = fleet.web
    assert set(fleet.table("--role", "lb")) == {fleet.lb.address}
    assert set(fleet.project.json("status", "--host", f"{first.spec},{second.spec}")) == {first.address, second.address}
    assert set(fleet.project.json("status", "--exclude", second.spec)) == {first.address, fleet.lb.address}
    assert list(fleet.project.json("releases")) == [first.address, second.address]
    assert fleet.project.fab("unlock", "--role", "lb").stdout == f"{fleet.lb.address}: nobody holds the lock\n"
