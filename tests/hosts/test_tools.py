"""What happens when apt, pip or git cannot do their work: it ends in time, with the reason, and the site has served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fabric import Config, Connection
from hostsmith import Package, converge
from hostsmith.errors import ConvergeError

from tests.hosts.conftest import Project, Vps, make_project

# Takes connections on port 9 and never answers.
SILENT = "import socket, time; s = socket.create_server(('127.0.0.1', 9)); time.sleep(10000)"
SILENT_SERVER = "127.0.0.1:9"
# Holds dpkg's lock as unattended-upgrades does, until /run/free is there.
UPGRADES = """\
import fcntl, os, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/locked", "w")
while not os.path.exists("/run/free"): time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def machine(boot: Callable[..., Vps], deployed_image: str) -> Iterator[Vps]:
    vps = boot(deployed_image)
    vps.wait_for_site()
    vps.run(f'systemd-run --quiet python3 -c "{SILENT}"')
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def project(machine: Vps, tmp_path: Path) -> Project:
    return make_project(tmp_path, machine)


@pytest.fixture
def c(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection such as a project's own task gets."""
    vps = project.vps
    monkeypatch.setenv("HOME", str(project.home))
    monkeypatch.chdir(project.folder)
    connection = Connection(
        vps.address, user="root", config=Config(), connect_kwargs={"key_filename": vps.target.key_filename}
    )
    yield connection
    connection.close()


@pytest.fixture
def mirror(machine: Vps) -> Iterator[Callable[[str], None]]:
    """A function that replaces the host's mirror and has it forget the package lists; the end puts both back."""
    keep = "cp -a /etc/apt /run/apt && cp -a /var/lib/apt/lists /run/lists"
    back = "rm -rf /etc/apt /var/lib/apt/lists && mv /run/apt /etc/apt && mv /run/lists /var/lib/apt/lists"
    machine.run(keep)

    def replace(place: str) -> None:
        machine.run(
            "rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*"
            f" && echo 'deb [trusted=yes] http://{place}/debian bookworm main' > /etc/apt/sources.list"
        )

    yield replace
    machine.run(back)


def is_installed(vps: Vps, name: str) -> bool:
    return "install ok installed" in vps.run(f"dpkg-query -W -f '${{Status}}' {name} 2>/dev/null || true")


def refused(c: Connection, package: Package) -> str:
    """Converging the package fails; returns the reason."""
    with pytest.raises(ConvergeError) as error:
        converge(c, [package])
    return str(error.value)


def test_a_package_that_does_not_exist_is_named(project: Project) -> None:
    project.settings(packages=["there-is-no-such-package"])
    done = project.fab("provision", status=1)
    assert "Unable to locate package there-is-no-such-package" in done.stdout
    assert project.vps.http("/").status == 200
    project.settings()
    project.fab("provision")


def test_a_mirror_that_is_away_is_told_in_apts_words(
    project: Project, mirror: Callable[[str], None], c: Connection
) -> None:
    mirror("127.0.0.1:1")
    assert "Could not connect to 127.0.0.1:1" in refused(c, Package("tree"))
    assert project.vps.http("/").status == 200


def test_a_mirror_that_never_answers_is_given_up(
    project: Project, mirror: Callable[[str], None], c: Connection
) -> None:
    mirror(SILENT_SERVER)
    said = refused(c, Package("tree", timeout=2))
    assert "apt-get" in said
    assert "still running after 2 s, stopped" in said
    assert "is a mirror unreachable, or very slow? See /etc/apt/sources.list" in said
    assert project.vps.run("pgrep -x apt-get || true") == ""


def test_apt_that_is_in_use_is_waited_for_and_then_given_up_with_the_name_of_who_uses_it(
    project: Project, c: Connection
) -> None:
    vps = project.vps
    vps.run("rm -f /run/free /run/locked && cat > /usr/bin/unattended-upgrade", stdin=UPGRADES)
    vps.run("systemd-run --quiet python3 /usr/bin/unattended-upgrade")
    vps.wait_for_file("/run/locked")
    said = refused(c, Package("tree", lock_timeout=1))
    assert "apt is still in use by " in said
    assert "python3 /usr/bin/unattended-upgrade (pid " in said
    assert "after 1 s; run the same command again when it is done" in said
    project.settings(packages=["tree"])
    waiting = project.start("provision")
    assert waiting.stdout is not None
    for line in waiting.stdout:
        if "waiting up to 600 s for apt: it is in use by" in line:
            assert "/usr/bin/unattended-upgrade" in line
            break
    assert not is_installed(vps, "tree")
    vps.run("touch /run/free")
    out, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, out
    assert is_installed(vps, "tree")


def test_what_dpkg_was_killed_in_is_finished_first(project: Project, c: Connection) -> None:
    vps = project.vps
    vps.run(
        "mkdir -p /run/slow/DEBIAN && cd /run && printf 'Package: slow\nVersion: 1\nArchitecture: all\n"
        "Maintainer: a <a@example.org>\nDescription: slow\n' > slow/DEBIAN/control"
        " && printf '#!/bin/sh\n[ -e /run/in ] || { touch /run/in; sleep 600; }\n' > slow/DEBIAN/postinst"
        " && chmod 755 slow/DEBIAN/postinst && dpkg-deb --build slow >/dev/null"
    )
    vps.run("systemd-run --quiet dpkg -i /run/slow.deb")
    vps.wait_for_file("/run/in")
    vps.run("pkill -9 -x dpkg; pkill -x sleep; ls /var/lib/dpkg/updates | grep -q .")
    assert "dpkg was interrupted" in vps.run("apt-get -y install bc 2>&1 || true")
    converge(c, [Package("bc")])
    assert is_installed(vps, "bc")
    assert is_installed(vps, "slow")


def test_an_index_that_never_answers_is_given_up(project: Project) -> None:
    project.settings(build_timeout=3)
    project.write("requirements.txt", f"--index-url http://{SILENT_SERVER}/simple\nflask\ngunicorn\n")
    project.commit("a silent index")
    before = project.vps.run("ls /srv/hello/venvs")
    done = project.fab("deploy", status=1)
    assert "still running after 3 s, stopped" in done.stdout
    assert "is the package index unreachable? `build_timeout` in the settings" in done.stdout
    assert project.vps.http("/").status == 200
    assert project.vps.run("ls /srv/hello/venvs") == before
    assert project.vps.run("pgrep -f 'pi[p] install' || true") == ""


def test_a_wheel_that_does_not_build_says_why_in_its_own_words(project: Project) -> None:
    project.write("broken/setup.py", "raise RuntimeError('libfoo is too old: found 1, expected 2')\n")
    project.write("requirements.txt", "flask\ngunicorn\n./broken\n")
    project.commit("does not build")
    done = project.fab("deploy", status=1)
    assert "RuntimeError: libfoo is too old: found 1, expected 2" in done.stdout
    assert project.vps.http("/").status == 200
    project.git("revert", "--no-edit", "HEAD")
    project.fab("deploy")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("127.0.0.1:1", "Failed to connect to 127.0.0.1 port 1"),
        (SILENT_SERVER, "still running after 3 s, stopped"),
    ],
    ids=["away", "silent"],
)
def test_a_git_server_that_does_not_answer(project: Project, place: str, said: str) -> None:
    project.settings(source=f"http://{place}/hello.git", build_timeout=3)
    done = project.fab("deploy", status=1)
    assert f"cannot fetch http://{place}/hello.git" in done.stderr
    assert said in done.stderr
    assert project.vps.http("/").status == 200
    assert project.vps.run("pgrep -x git || true") == ""
    project.settings()
    project.fab("deploy")
