"""Hosts on which something is not as usual: other languages, shells, clocks, modes; deploys work there all the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import Project, Vps, make_project

LOG_IN = (
    "useradd --create-home --shell /bin/bash dev && install -d -o dev -m 700 /home/dev/.ssh"
    " && install -o dev -m 600 /root/.ssh/authorized_keys /home/dev/.ssh/"
    " && echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev"
)

# Python loads this at its start.
SKEW = """\
import time

_time, _gmtime = time.time, time.gmtime
time.time = lambda: _time() + {seconds}
time.gmtime = lambda at=None: _gmtime(time.time() if at is None else at)
"""


@pytest.fixture(scope="module")
def machine(boot: Callable[..., Vps], deployed_image: str) -> Iterator[Vps]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    vps.run(LOG_IN)
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def project(machine: Vps, tmp_path: Path) -> Iterator[Project]:
    """The project, logging in as a user who is not root."""
    machine.user = "dev"
    project = make_project(tmp_path, machine)
    # The hardening would shut root out, by whom the tests look.
    project.settings(hardening={"ssh": False})
    yield project
    machine.user = "root"


def deploys(project: Project) -> None:
    """It provisions and deploys, and says what it always says."""
    project.commit("on an odd host")
    done = project.fab("provision", "deploy")
    assert done.stderr == ""
    release = os.path.basename(project.vps.run("readlink /srv/hello/current").strip())
    assert f"release {release} is live" in done.stdout
    assert release in project.vps.http("/").body


def test_a_german_host_is_understood(project: Project) -> None:
    vps = project.vps
    vps.run("apt-get -qq -y install locales >/dev/null 2>&1")
    vps.run("localedef -i de_DE -f UTF-8 de_DE.UTF-8")
    names = "LANG=de_DE.UTF-8\\nLC_ALL=de_DE.UTF-8\\nLANGUAGE=de\\n"
    vps.run(f"cp -p /etc/environment /run/environment; printf '{names}' >> /etc/environment")
    vps.run("apt-get -qq -y purge tree >/dev/null 2>&1 || true")
    try:
        assert "Datei oder Verzeichnis" in vps.run("ls /nowhere 2>&1 || true")
        project.settings(packages=["tree"], hardening={"ssh": False})
        deploys(project)
        vps.run("echo 'dev ALL=(ALL) ALL' > /etc/sudoers.d/dev")
        assert (
            "sudo wants a password; run fab with --prompt-for-sudo-password" in project.fab("status", status=1).stderr
        )
    finally:
        vps.run("echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev; cp -p /run/environment /etc/environment")


@pytest.mark.parametrize("shell", ["fish", "tcsh", "dash"])
def test_any_login_shell_will_do(project: Project, shell: str) -> None:
    project.vps.run(f"apt-get -qq -y install {shell} >/dev/null 2>&1; chsh -s $(command -v {shell}) dev")
    try:
        deploys(project)
    finally:
        project.vps.run("chsh -s /bin/bash dev")


def test_a_login_that_prints_and_reads_is_no_problem(project: Project) -> None:
    vps = project.vps
    noise = "echo Welcome; printf 'no line end'; echo '{\"event\": \"done\"}'; echo to stderr >&2; alias env=false"
    vps.run("cp -p /home/dev/.bashrc /run/bashrc; cat - /run/bashrc > /home/dev/.bashrc", stdin=f"{noise}\n")
    vps.run("echo 'echo a profile' > /etc/profile.d/noise.sh; echo Banner > /run/banner")
    vps.run("echo 'Banner /run/banner' > /etc/ssh/sshd_config.d/banner.conf; systemctl reload ssh")
    try:
        deploys(project)
    finally:
        vps.run("cp -p /run/bashrc /home/dev/.bashrc; rm /etc/profile.d/noise.sh /etc/ssh/sshd_config.d/banner.conf")


def test_nothing_is_run_from_tmp_nor_written_to_the_users_home(project: Project) -> None:
    vps = project.vps
    vps.run("mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp; chown root /home/dev; chmod 555 /home/dev")
    try:
        # pip unpacks and builds in /tmp; what a set-up runs there is not a program of its own.
        project.write("part/setup.py", "from setuptools import setup\nsetup(name='part', version='1')\n")
        project.write("requirements.txt", "flask\ngunicorn\n./part\n")
        deploys(project)
        assert vps.run("ls -A /tmp") == ""
    finally:
        vps.run("umount -l /tmp; chown dev /home/dev; chmod 755 /home/dev")


def test_a_sudo_that_wants_a_terminal_is_told(project: Project) -> None:
    vps = project.vps
    vps.run("echo 'Defaults requiretty' > /etc/sudoers.d/tty")
    try:
        assert "remove `requiretty` from the host's sudoers" in project.fab("status", status=1).stderr
    finally:
        vps.run("rm /etc/sudoers.d/tty")
    project.fab("status")


@pytest.mark.parametrize("user", ["dev", "root"])
def test_a_private_umask_hides_nothing_from_nginx_and_the_app(
    project: Project, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    vps = project.vps
    vps.user = user
    vps.run("sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs; cp -p /root/.bashrc /run/bashrc")
    vps.run("echo umask 077 >> /root/.bashrc; echo 'session optional pam_umask.so' >> /etc/pam.d/common-session")
    project.write("static/new.css", f"/* {user} */")
    project.write("requirements.txt", f"flask\ngunicorn\n# built anew for {user}\n")
    before = os.umask(0o077)
    try:
        assert vps.run("umask").strip() == "0077"
        project.settings(domains=[f"{user}.example"], hardening={"ssh": False})
        project.commit("private")
        project.fab("provision", "deploy")
    finally:
        os.umask(before)
        vps.run("sed -i 's/^UMASK.*/UMASK 022/' /etc/login.defs; cp -p /run/bashrc /root/.bashrc")
    assert vps.http("/", host=f"{user}.example").status == 200
    assert vps.http("/static/new.css", host=f"{user}.example").body == f"/* {user} */"
    assert vps.run("find -L /srv/hello/current/venv /srv/hello/current/code -not -perm -o=r | head") == ""
    assert vps.run("stat -c '%a %U' /srv/hello/current/env").split() == ["640", "root"]
    project.settings(hardening={"ssh": False})
    project.fab("provision")


@pytest.mark.parametrize("hours", [30, -30])
def test_a_clock_that_is_off_mixes_up_no_releases(project: Project, hours: int) -> None:
    vps = project.vps
    # The clock of Python on the host: the host's own is that of this machine, too.
    path = vps.run("python3 -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))'").strip() + "/sitecustomize.py"
    vps.run(f"cat > {path}", stdin=SKEW.format(seconds=3600 * hours))
    try:
        assert abs(float(vps.run("python3 -c 'import time; print(time.time())'")) - time.time()) > 3600 * 29
        deploys(project)
        first = os.path.basename(vps.run("readlink /srv/hello/current").strip())
        deploys(project)
        assert first < os.path.basename(vps.run("readlink /srv/hello/current").strip())
        project.fab("rollback")
        assert first in vps.http("/").body
    finally:
        vps.run(f"rm {path}")
