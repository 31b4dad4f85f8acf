"""A compromised app, or a user with a shell, prepares its own folders before root comes to work there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fabric import Config, Connection
from hostsmith import Command, Directory, File, User, converge
from hostsmith.errors import ConvergeError

from tests.hosts.conftest import Project, Vps, make_project

pytestmark = pytest.mark.attack

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAipXATBTmsNTGDrdIRBKNALtoHSidLULZaJBSFQ2+of {name}" for name in "ab"]
ROOTS = "stat -c '%U:%G %a %n' /usr/local/sbin /etc/apt/apt.conf.d /root /srv/hello; ls /etc/apt/apt.conf.d"


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A live app that has a folder for files, which belongs to the app."""
    vps = boot(deployed_image)
    made = make_project(tmp_path_factory.mktemp("files"), vps)
    made.settings(services=["files"])
    made.commit("files")
    made.fab("provision")
    yield made
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def c(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv("HOME", str(project.home))
    monkeypatch.chdir(tmp_path)
    key = {"key_filename": project.vps.target.key_filename}
    connection = Connection(project.vps.address, user="root", config=Config(), connect_kwargs=key)
    yield connection
    connection.close()


def as_user(vps: Vps, user: str, script: str) -> None:
    vps.run(f"cd / && runuser -u {user} -- sh -eu -", stdin=script)


@pytest.mark.parametrize("trap", ["ln -s /usr/local/sbin files", "ln -s /root files", "mv ../shared/roots files"])
def test_a_provision_gives_an_app_nothing_by_a_trap_in_its_folder(project: Project, trap: str) -> None:
    vps = project.vps
    vps.run("install -d -m 700 /srv/hello/shared/roots")
    before = vps.run(ROOTS)
    as_user(vps, "hello", f"cd /srv/hello/shared; mv files files.mine; {trap}")
    done = project.fab("provision", status=1)
    assert "/srv/hello/shared/files" in done.stdout + done.stderr
    assert vps.run(ROOTS) == before
    assert "hello" not in vps.run("cd /srv/hello/shared; stat -c %U:%G $(ls -d roots files 2>/dev/null) | grep root")
    as_user(vps, "hello", "cd /srv/hello/shared; [ -L files ] && rm files || mv files roots; mv files.mine files")
    assert "0 changed" in project.fab("provision").stdout


def test_a_user_who_leads_the_keys_elsewhere_makes_root_write_nowhere_else(project: Project, c: Connection) -> None:
    vps = project.vps
    converge(c, [User("bob", authorized_keys=KEYS[:1])])
    before = vps.run(ROOTS)
    as_user(vps, "bob", "cd ~bob; mv .ssh aside; ln -s /etc/apt/apt.conf.d .ssh")
    with pytest.raises(ConvergeError, match="symbolic link"):
        converge(c, [User("bob", authorized_keys=tuple(KEYS))])
    assert vps.run(ROOTS) == before
    as_user(vps, "bob", "cd ~bob; rm .ssh; mkfifo .ssh")
    with pytest.raises(ConvergeError):
        converge(c, [User("bob", authorized_keys=tuple(KEYS))])


def test_a_projects_own_resources_follow_no_link_of_a_users(project: Project, c: Connection) -> None:
    vps = project.vps
    before = vps.run(ROOTS)
    as_user(vps, "hello", "cd /srv/hello/shared; ln -s /etc/apt/apt.conf.d conf; ln -s /usr/local/sbin bin")
    for resource in (
        File("/srv/hello/shared/conf/00evil", "x", owner="hello"),
        Directory("/srv/hello/shared/bin/made", owner="hello"),
        Directory("/srv/hello/shared/bin", mode=0o777),
    ):
        with pytest.raises(ConvergeError, match="symbolic link"):
            converge(c, [resource])
    assert vps.run(ROOTS) == before


def test_a_command_of_a_users_begins_nowhere_that_they_may_not_go(project: Project, c: Connection) -> None:
    vps = project.vps
    vps.run("install -d -m 755 /root/inner && echo inside > /root/inner/text && chmod 644 /root/inner/text")
    as_user(vps, "hello", "cd /srv/hello/shared; mkdir work; ln -s /root/inner led")
    converge(c, [Command(["sh", "-c", "echo > made"], user="hello", cwd="/srv/hello/shared/work")])
    assert vps.run("stat -c %U /srv/hello/shared/work/made") == "hello\n"
    with pytest.raises(ConvergeError, match="can't cd to"):
        converge(c, [Command(["cp", "text", "/srv/hello/shared/stolen"], user="hello", cwd="/srv/hello/shared/led")])
    assert vps.run("ls /srv/hello/shared/stolen 2>/dev/null || true") == ""
