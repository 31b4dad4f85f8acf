"""More than one host: reached, locked and asked before the first is touched, and given the same release."""

from __future__ import annotations

from tests.hosts.conftest import Pair


def test_the_hosts_of_the_roles_get_the_same_release_and_go_back_together(pair: Pair) -> None:
    project, first, second = pair
    old = first.live(), second.live()
    assert project.fab("provision", "deploy").stdout.count("is live (") == 1
    assert first.live() == second.live() != old[0]
    for vps in (first, second):
        assert vps.live() in vps.http("/").body
    assert len(project.json("status")) == 2
    project.fab("rollback")
    assert (first.live(), second.live()) == old


def test_hosts_named_on_the_command_line_are_one_run_too(pair: Pair) -> None:
    project, first, second = pair
    done = project.fab("-H", f"{first.spec},{second.spec}", "deploy")
    assert done.stdout.count("is live (") == 1
    assert first.live() == second.live()


def test_a_host_that_is_away_or_held_keeps_all_others_from_being_touched(pair: Pair) -> None:
    project, first, second = pair
    before = first.run("ls /srv/hello/releases"), first.live()
    second.sandbox.stop(second.name)
    assert "no SSH connection" in project.fab("deploy", status=1).stderr
    assert (first.run("ls /srv/hello/releases"), first.live()) == before
    second.sandbox.start(second.name)
    second.run("flock /run/hostsmith.lock sleep 600 > /dev/null 2>&1 &")
    project.environment["FABRIC_LOCK_TIMEOUT"] = "0"
    assert "is held by" in project.fab("deploy", status=1).stderr
    assert (first.run("ls /srv/hello/releases"), first.live()) == before


def test_a_project_without_hosts_says_what_to_write_and_runs_nothing_here(pair: Pair) -> None:
    project, _, _ = pair
    project.settings()
    for task in ("provision", "deploy", "rollback", "releases", "status", "unlock"):
        assert "fab -H user@host" in project.fab(task, status=2).stderr
