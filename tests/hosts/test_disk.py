"""What a disk that takes no more costs: a deploy that fails with the reason, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project

# All that a deploy may leave half written; what git has received as a whole stays in its repository.
LEFT = "cd /srv/hello && ls -d releases/*/code releases/*/venv venvs/* && find repo.git -name 'tmp_*' -o -name '*.lock'"


class Disk:
    """The file system under /srv, in memory: how much it takes can be changed while it is in use."""

    def __init__(self, vps: Vps) -> None:
        self._vps = vps
        vps.run(
            "systemctl stop supervisor && cp -a /srv /run/srv && mount -t tmpfs -o mode=755 tmpfs /srv"
            " && mv /run/srv/* /srv/ && systemctl start supervisor"
        )
        vps.wait_for_site()

    def options(self, options: str) -> None:
        self._vps.run(f"mount -o remount,{options} /srv")

    def leave_room(self, kilobytes: int) -> None:
        """Make it so small that only so much is free."""
        used = int(self._vps.run("df --output=used -k /srv | tail -1"))
        self.options(f"size={used + kilobytes}k")

    def leave_files(self, count: int) -> None:
        """Have it take only so many more files."""
        used = int(self._vps.run("df --output=iused /srv | tail -1"))
        self.options(f"nr_inodes={used + count}")

    def mend(self) -> None:
        self.options("rw,size=2g,nr_inodes=1m")


@pytest.fixture(scope="module")
def machine(boot: Callable[..., Vps], deployed_image: str) -> Iterator[tuple[Vps, Disk]]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    yield vps, Disk(vps)
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def disk(machine: tuple[Vps, Disk]) -> Iterator[Disk]:
    yield machine[1]
    machine[1].mend()


@pytest.fixture
def project(machine: tuple[Vps, Disk], tmp_path: Path) -> Project:
    return make_project(tmp_path, machine[0])


def live(project: Project) -> str:
    """Id of the live release, found without a session of hostsmith's."""
    return os.path.basename(project.vps.run("readlink /srv/hello/current").strip())


def failures(project: Project) -> list[str]:
    """Ids of the releases that failed."""
    return [row["id"] for row in project.releases() if row["state"] == "failed"]


def refused(project: Project, disk: Disk) -> str:
    """A deploy must fail and leave nothing; when the fault is gone, the same command succeeds.

    :returns: what was said of the failure.
    """
    vps, old, before, failed = project.vps, live(project), project.vps.run(LEFT), failures(project)
    done = project.fab("deploy", status=1)
    assert "Traceback" not in done.stdout
    assert old in vps.http("/").body
    assert live(project) == old
    assert vps.run("supervisorctl status").count("\n") == 1
    left = vps.run(LEFT)
    disk.mend()
    project.fab("deploy")
    assert live(project) in vps.http("/").body
    assert left == before
    # Of the attempt that failed not even the record is left.
    assert failures(project) == failed
    return done.stdout + done.stderr


def test_full_while_the_code_is_sent(project: Project, disk: Disk) -> None:
    (project.folder / "large.bin").write_bytes(os.urandom(3_000_000))
    project.commit("large")
    disk.leave_room(1000)
    said = refused(project, disk)
    assert "No space left on device" in said
    assert "/srv has 0 of " in said
    assert "remove something, and run the same command again" in said


def test_full_while_the_code_is_written(project: Project, disk: Disk) -> None:
    # Sent it is small, written it is large.
    project.write("large.txt", "x" * 3_000_000)
    project.commit("large")
    disk.leave_room(1000)
    said = refused(project, disk)
    assert "unable to write file large.txt" in said
    assert "/srv has 0 of " in said


def test_full_while_the_virtualenv_is_built(project: Project, disk: Disk) -> None:
    project.write("requirements.txt", "flask\ngunicorn\nsix\n")
    project.commit("other requirements")
    disk.leave_room(6000)
    assert "/srv has 0 of " in refused(project, disk)


def test_full_while_the_configuration_is_written(project: Project, disk: Disk) -> None:
    project.settings(environment={"LARGE": "x" * 120_000})
    project.commit("a large environment")
    disk.leave_room(170)
    said = project.fab("deploy", status=1).stdout
    assert "/env: No space left on device; /srv has 0 of " in said
    assert "xxx" not in said
    old = live(project)
    assert old in project.vps.http("/").body
    # What is made room for is enough: what the failed attempt has left counts for nothing.
    disk.leave_room(500)
    project.fab("deploy")
    assert live(project) in project.vps.http("/").body


def test_no_inodes_are_left(project: Project, disk: Disk) -> None:
    for number in range(60):
        project.write(f"many/{number}", "")
    project.commit("many files")
    disk.leave_files(40)
    said = refused(project, disk)
    assert "No space left on device" in said
    assert "room for 0 more files (inodes)" in said


def test_a_read_only_file_system(project: Project, disk: Disk) -> None:
    disk.options("ro")
    said = refused(project, disk)
    assert "Read-only file system; /srv is mounted read-only" in said
    assert "mount -o remount,rw /srv" in said


def test_a_rollback_needs_no_room(project: Project, disk: Disk) -> None:
    first = live(project)
    project.commit("more")
    project.fab("deploy")
    second = live(project)
    disk.leave_room(0)
    project.fab("rollback")
    assert live(project) == first
    assert first in project.vps.http("/").body
    assert project.vps.run("supervisorctl status").count("\n") == 1
    rows = {row["id"]: row for row in project.releases()}
    assert rows[second]["state"] == "bad"


def test_a_disk_that_fills_up_while_a_release_starts_hides_no_reason(project: Project, disk: Disk) -> None:
    old = live(project)
    project.write("hello.py", "import os\nopen(os.path.expanduser('~/fill'), 'wb').write(bytes(10**8))\n")
    project.settings(workers=1)
    project.commit("fills the disk")
    disk.leave_room(20_000)
    done = project.fab("deploy", status=1)
    assert "No space left on device" in done.stdout
    assert "open(os.path.expanduser" in done.stdout
    assert live(project) == old
    assert old in project.vps.http("/").body
    assert project.releases()[-1]["state"] == "failed"
    project.vps.run("rm /srv/hello/shared/fill")
    project.git("revert", "--no-edit", "HEAD")
    project.fab("deploy")
    assert live(project) in project.vps.http("/").body


def test_a_configuration_that_is_refused_on_a_full_disk_is_put_back(project: Project) -> None:
    vps = project.vps
    vps.run(
        "cp -a /etc/nginx /run/nginx && mount -t tmpfs -o mode=755 tmpfs /etc/nginx && mv /run/nginx/* /etc/nginx/"
        " && used=$(df --output=used -k /etc/nginx | tail -1) && mount -o remount,size=$((used + 8))k /etc/nginx"
    )
    before = vps.run("sha256sum /etc/nginx/sites-available/hello")
    # nginx's check is the moment in which somebody else takes the room that is left.
    fill = "head -c 1000000 /dev/zero > /etc/nginx/fill 2>/dev/null"
    vps.run(f"mv /usr/sbin/nginx /usr/sbin/nginx.real && printf '#!/bin/sh\n{fill}\nexit 1\n' > /usr/sbin/nginx")
    vps.run("chmod 755 /usr/sbin/nginx")
    project.settings(client_max_body_size="7m")
    try:
        done = project.fab("provision", status=1)
        assert "could not be undone" not in done.stdout
        assert vps.run("sha256sum /etc/nginx/sites-available/hello") == before
        assert vps.http("/").status == 200
    finally:
        vps.run("mv /usr/sbin/nginx.real /usr/sbin/nginx; umount /etc/nginx")
    project.fab("provision")
    assert vps.http("/").status == 200
