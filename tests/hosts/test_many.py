"""More than one host: reached, locked and asked before the first is touched, and given the same release."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.hosts.conftest import Pair

OWN_TASK = """\
from hostsmith import File, Validated, converge_all, task


@task
def greet(c):
    greeting = File("/etc/motd", "hello\\n")
    converge_all(c, [Validated("greeting", (greeting,), validate=["test", "!", "-e", "/run/no-greeting"])], role="web")
"""


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
        before = touched_here()
        started = project.home / "started"
        argv = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", str(started)]
        done = subprocess.run(
            [*argv, *project.argv(task)],
            cwd=project.folder,
            env=project.env(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "fab -H user@host" in done.stderr
        programs = {Path(path).name for path in re.findall(r'execve\("([^"]+)"', started.read_text())}
        assert programs & {"fab", "python", "python3"}, "nothing was traced"
        assert not programs & {"sh", "bash", "sudo", "ssh", "supervisorctl", "systemctl", "nginx"}, programs
        assert touched_here() == before


def touched_here() -> dict[str, int | None]:
    """When the places of this machine changed where a run on a host begins."""
    places = ("/run/hostsmith.lock", "/etc/tmpfiles.d/hostsmith.conf", "/var/lib/hostsmith/owed.json", "/srv/hello")
    return {place: os.stat(place).st_mtime_ns if os.path.exists(place) else None for place in places}


def test_a_projects_own_task_works_on_all_hosts_though_one_of_them_fails(pair: Pair) -> None:
    project, first, second = pair
    before = first.run("cat /etc/motd")
    first.run("touch /run/no-greeting")
    project.write("fabfile.py", OWN_TASK)
    failed = project.fab("greet", status=1).stderr
    assert f"converge failed: {first.address}: the same task again continues from there" in failed
    assert first.run("cat /etc/motd") == before
    assert second.run("cat /etc/motd") == "hello\n"

    first.run("rm /run/no-greeting")
    done = project.fab("greet").stdout
    assert f"{first.address}: 1 changed, 0 unchanged" in done
    assert f"{second.address}: 0 changed, 1 unchanged" in done
    # With -H it is called host by host, as Fabric calls its own, and has that one host to do.
    alone = project.fab("-H", second.spec, "greet").stdout
    assert f"{second.address}: 0 changed, 1 unchanged" in alone
    assert first.address not in alone
