"""More than one host: reached, locked and asked before the first is touched, and given the same release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project


@pytest.fixture
def pair(boot: Callable[..., Vps], deployed_image: str, tmp_path: Path) -> Iterator[tuple[Project, Vps, Vps]]:
    """A project whose role `web` has two hosts."""
    first, second = boot(deployed_image), boot(deployed_image)
    for vps in (first, second):
        vps.wait_for_site()
    project = make_project(tmp_path, first)
    with (project.home / ".ssh" / "known_hosts").open("a") as file:
        file.write(Path(second.target.known_hosts).read_text())
    project.settings(roles={"web": [first.spec, second.spec]})
    project.commit("two hosts")
    project.names_hosts = False
    yield project, first, second
    for vps in (first, second):
        vps.sandbox.destroy(vps.name)


def live(vps: Vps) -> str:
    return vps.run("readlink /srv/hello/current").strip().removeprefix("releases/")


def test_the_hosts_of_the_roles_get_the_same_release_and_go_back_together(pair: tuple[Project, Vps, Vps]) -> None:
    project, first, second = pair
    old = live(first), live(second)
    assert project.fab("provision", "deploy").stdout.count("is live (") == 1
    assert live(first) == live(second) != old[0]
    for vps in (first, second):
        assert live(vps) in vps.http("/").body
    assert len(project.json("status")) == 2
    project.fab("rollback")
    assert (live(first), live(second)) == old


def test_hosts_named_on_the_command_line_are_one_run_too(pair: tuple[Project, Vps, Vps]) -> None:
    project, first, second = pair
    done = project.fab("-H", f"{first.spec},{second.spec}", "deploy")
    assert done.stdout.count("is live (") == 1
    assert live(first) == live(second)


def test_a_host_that_is_away_or_held_keeps_all_others_from_being_touched(pair: tuple[Project, Vps, Vps]) -> None:
    project, first, second = pair
    before = first.run("ls /srv/hello/releases"), live(first)
    second.sandbox.stop(second.name)
    assert "no SSH connection" in project.fab("deploy", status=1).stderr
    assert (first.run("ls /srv/hello/releases"), live(first)) == before
    second.sandbox.start(second.name)
    second.run("flock /run/hostsmith.lock sleep 600 > /dev/null 2>&1 &")
    project.environment["FABRIC_LOCK_TIMEOUT"] = "0"
    assert "is held by" in project.fab("deploy", status=1).stderr
    assert (first.run("ls /srv/hello/releases"), live(first)) == before


def test_a_project_without_hosts_says_what_to_write_and_runs_nothing_here(pair: tuple[Project, Vps, Vps]) -> None:
    project, _, _ = pair
    project.settings()
    for task in ("provision", "deploy", "rollback", "releases", "status", "unlock"):
        assert "fab -H user@host" in project.fab(task, status=2).stderr
