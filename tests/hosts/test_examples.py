"""The examples, deployed as they are; and the short story on the next Debian."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hostsmith.sandbox import Sandbox, lookup

from tests.hosts.conftest import Project, Vps, make_project


def test_own_fabfile(bare: Vps, tmp_path: Path) -> None:
    project = make_project(tmp_path, bare, "own-fabfile")
    project.fab("provision", "deploy")
    assert bare.http("/", host="thumbs.example").body == "Thumbnails, soon.\n"
    # The template of the project took the place of ours, and the rest of the site did not change.
    stranger = bare.http("/", host="nobody.example")
    assert (stranger.status, stranger.body) == (421, "Wrong door.\n")
    assert bare.http("/", host="www.thumbs.example").status == 301

    project.fab("thumbnails", "clock", "motd")
    assert bare.infra.file("/etc/motd").content_string == "Thumbnails are made here.\n"
    assert bare.infra.package("gifsicle").is_installed
    assert bare.infra.service("thumbd").is_running
    assert "WIDTH=320" in bare.infra.file("/etc/thumbd.conf").content_string
    assert bare.run("readlink /etc/localtime").strip() == "/usr/share/zoneinfo/Europe/Lisbon"
    started = bare.run("systemctl show -p ExecMainStartTimestamp thumbd")

    again = project.fab("thumbnails", "clock", "site", "motd")
    assert again.stdout.count("0 changed") == 4
    # A changed template restarts the service that reads it.
    project.write("templates/thumbd.conf.j2", "WIDTH={{ width * 2 }}\n")
    assert "restart thumbd" in project.fab("thumbnails").stdout
    assert bare.run("systemctl show -p ExecMainStartTimestamp thumbd") != started

    assert project.fab("server.status").stdout.count("healthy") == 1
    project.fab("rollback", status=1)


def test_one_command_makes_the_fleet_of_two_web_hosts_a_worker_and_a_balancer(bare: Vps, tmp_path: Path) -> None:
    project = make_project(tmp_path, bare, "fleet")
    project.names_hosts = False
    try:
        project.fab("sandbox.up", "--count", "3", "provision", "deploy")
        roles = {row["host"]: (row["processes"], row["services"]) for row in project.json("hosts")}
        assert list(roles.values()) == [(["web"], ["nginx"]), (["web", "worker"], ["nginx"]), ([], ["haproxy"])]
        ask = Path(__file__).parents[2] / "scripts" / "ask_balancer.py"
        done = subprocess.run(
            [sys.executable, ask, "sandbox-3"], cwd=project.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        answers = done.stdout.splitlines()
        assert {answer.split()[1] for answer in answers} == {"sandbox-1", "sandbox-2"}
        balancer = lookup(project.folder, "sandbox-3")
        assert balancer is not None
        visitor = balancer.address.rpartition(".")[0] + ".1"
        assert all(answer.endswith(f"You are {visitor}.") for answer in answers)
    finally:
        Sandbox(project.folder).destroy()


def test_a_resource_that_cannot_be_had_fails_without_a_traceback(bare: Vps, tmp_path: Path) -> None:
    project = make_project(tmp_path, bare, "own-fabfile")
    fabfile = (project.folder / "fabfile.py").read_text()
    project.write("fabfile.py", fabfile.replace("Europe/Lisbon", "Atlantis/Capital"))
    done = project.fab("clock", status=1)
    assert "there is no time zone 'Atlantis/Capital'" in done.stdout


def test_the_short_story_on_debian_13(boot: Callable[..., Vps], tmp_path: Path) -> None:
    vps = boot(suite="trixie")
    try:
        project: Project = make_project(tmp_path, vps)
        assert project.json("provision")["hosts"][0]["ok"] is True
        assert project.json("provision")["hosts"][0]["counts"]["changed"] == 0
        project.fab("deploy")
        first = project.live()
        assert "Python 3.13" in vps.run("/srv/hello/current/venv/bin/python --version")
        assert first in vps.http("/").body
        project.commit("second")
        project.fab("deploy")
        project.fab("rollback")
        assert first in vps.http("/").body
        vps.sandbox.reboot(vps.name)
        vps.wait_for_site()
        assert first in vps.http("/").body
    finally:
        vps.sandbox.destroy(vps.name)
