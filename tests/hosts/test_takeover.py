"""A host of version 0.1.0 is taken over by this one with nothing lost, also when a run was cut off in between."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hostsmith import __version__
from hostsmith.sandbox import Sandbox

from tests.docs import ROOT
from tests.hosts.conftest import Project, Vps, make_project

# Version 0.1.0, built from git's history: there is no release of it to download.
COMMIT = "0ec9b9258431d07f6349adcf3c0461be26420055"
OWED, JOURNAL = "/var/lib/hostsmith/owed.json", "/etc/tmpfiles.d/hostsmith.conf"
PASSWORDS = "/var/lib/hostsmith/hello/services.json"
BACKUP = "systemctl start hostsmith-backup-hello.service && ls /var/backups/hello/*.tar | wc -l"
# Python on the host loads this at its start, also with -I. It kills the run on the host when it is about to send an
# event of a resource whose name begins so.
KILLER = """\
import json
import os

_write = os.write


def write(fd, data):
    if data[:1] == b"\\x1e" and os.path.exists("/run/kill-at"):
        with open("/run/kill-at") as file:
            kind, resource = file.read().strip().split(" ", 1)
        event = json.loads(data[1:])
        if event["event"] == kind and event.get("resource", "").startswith(resource):
            os.unlink("/run/kill-at")
            os.kill(os.getpid(), 9)
    return _write(fd, data)


if os.path.exists("/run/kill-at"):
    os.write = write
"""
APP = """\
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["HOSTSMITH_RELEASE"].encode()]
"""
SETTINGS: dict[str, Any] = {
    "static": {},
    "workers": 1,
    "drain_timeout": 2,
    "services": ["redis"],
    "cron": {"tick": {"schedule": "* * * * *", "command": "echo $HOSTSMITH_RELEASE >> ~/ticks"}},
    "backup": {"schedule": "15 3 * * *", "keep": 5},
    # Packages that take long to come, and are the same to both.
    "hardening": {"fail2ban": False, "upgrades": False},
}


@dataclass
class OldProject(Project):
    """A project on a machine that has version 0.1.0."""

    python: Path = Path()

    def argv(self, *arguments: str) -> list[str]:
        return [str(self.python), "-m", "fabric", *super().argv(*arguments)[1:]]

    def json(self, *arguments: str, status: int = 0) -> Any:
        """The document that a task prints; it had no format then."""
        return json.loads(self.fab(*arguments, "--json", status=status).stdout)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has version 0.1.0, and all else that this one has."""
    folder = tmp_path_factory.mktemp("0.1.0")
    packed = subprocess.run(["git", "-C", ROOT, "archive", COMMIT], capture_output=True, check=False)
    if packed.returncode:
        pytest.fail(f"version 0.1.0, commit {COMMIT[:7]}, is not in this clone: run `git fetch --unshallow`", False)
    (folder / "source.tar").write_bytes(packed.stdout)
    with tarfile.open(folder / "source.tar") as archive:
        archive.extractall(folder / "source", filter="data")
    done(sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "source")
    done(sys.executable, "-m", "venv", folder / "venv")
    found = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    done(found, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", wheel)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    assert done(found, "-c", "import hostsmith; print(hostsmith.__version__)") == "0.1.0\n"
    return found


def done(*argv: str | Path) -> str:
    finished = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@dataclass(frozen=True)
class Machines:
    """Who works on the host: an admin and a deployer, each with version 0.1.0 and with this one."""

    old: OldProject
    key: Path

    @property
    def new(self) -> Project:
        return Project(self.old.folder, self.old.home, self.old.vps)

    @property
    def old_deployer(self) -> Project:
        return replace(self.old, vps=self._as_deployer())

    @property
    def deployer(self) -> Project:
        return replace(self.new, vps=self._as_deployer())

    def _as_deployer(self) -> Vps:
        vps = self.old.vps
        return replace(vps, user="deploy", target=replace(vps.target, key_filename=str(self.key)))


@dataclass(frozen=True)
class Template:
    """What the machines of a test are copies of."""

    image: str
    machines: Machines


@pytest.fixture(scope="module")
def template(
    boot: Callable[..., Vps], sandbox: Sandbox, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Template:
    """A host that version 0.1.0 has provisioned, and has deployed to twice."""
    vps, folder = boot(), tmp_path_factory.mktemp("takeover")
    key = folder / "alice"
    done("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", key)
    project = make_project(folder, vps)
    project.settings(**SETTINGS, deployers={"keys": [key.with_suffix(".pub").read_text().strip()]})
    project.write("hello.py", APP)
    project.write("requirements.txt", "")
    project.commit("a small app")
    machines = Machines(OldProject(project.folder, project.home, vps, python=python), key)
    machines.old.fab("provision", "deploy")
    machines.old.fab("deploy")
    stdlib = "$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))')"
    vps.run(f"cat > {stdlib}/sitecustomize.py", stdin=KILLER)
    sandbox.snapshot(vps.name, "of-0-1-0")
    sandbox.destroy(vps.name)
    return Template("of-0-1-0", machines)


@pytest.fixture
def machines(boot: Callable[..., Vps], template: Template) -> Iterator[Machines]:
    vps = boot(template.image)
    vps.wait_for_site()
    old = template.machines.old
    (old.home / ".ssh" / "known_hosts").write_text(Path(vps.target.known_hosts).read_text())
    yield Machines(replace(old, vps=vps), template.machines.key)
    vps.sandbox.destroy(vps.name)


def cut_off(project: Project, task: str, event: str) -> None:
    """Run a task whose run on the host is killed (-9) when it is about to send an event."""
    project.vps.run(f"echo '{event}' > /run/kill-at")
    running = project.start(task)
    running.communicate(timeout=120)
    assert running.returncode != 0
    assert project.vps.run("ls /run/kill-at 2> /dev/null || true") == "", "it came to an end without that"


def test_after_a_deploy_and_the_power_were_cut_off(machines: Machines) -> None:
    old, new, vps = machines.old, machines.new, machines.old.vps
    first = old.live()
    cut_off(old, "deploy", "result live release")
    assert "hostsmith.resources.live:GoBack" in vps.run(f"cat {JOURNAL}")
    vps.sandbox.kill(vps.name)
    vps.sandbox.start(vps.name)
    vps.wait_for_site()
    assert vps.http("/").body == first

    shows_the_old_version(machines)
    serves_deployers_of_the_old_version(machines)
    assert vps.run(BACKUP) == "1\n"
    said = new.fab("deploy").stdout
    assert "rolled back a change of an interrupted run: live release" in said
    assert vps.http("/").body == new.live() != first
    assert vps.run(f"cat {JOURNAL} 2> /dev/null || true") == ""
    new.fab("rollback")
    assert (new.live(), vps.http("/").body) == (first, first)

    passwords = vps.run(f"cat {PASSWORDS}")
    new.fab("provision", "provision", "--check")
    assert vps.run(f"cat {PASSWORDS}") == passwords
    vps.run("rm -f /srv/hello/shared/ticks")
    shows_this_version(machines)
    assert vps.run(BACKUP) == "2\n"
    # The cron program of the release that 0.1.0 has made, on what this version has provisioned.
    vps.wait_for_file("/srv/hello/shared/ticks")
    assert vps.run("cat /srv/hello/shared/ticks").split()[0] == first
    serves_deployers_of_this_version(machines)


def shows_the_old_version(machines: Machines) -> None:
    new = machines.new
    said = new.fab("status").stdout
    assert f"was provisioned by hostsmith 0.1.0, older than yours ({__version__}): `fab provision` updates that" in said
    (answer,) = new.json("status").values()
    assert answer["provisioned_by"] == "0.1.0"
    assert "live release" in answer["cut_off"]
    found = of_hostsmith(new)
    assert (found["state"], found["found"]) == ("advice", "0.1.0, older than yours")
    assert "provisioned.json" in new.fab("plan").stdout


def shows_this_version(machines: Machines) -> None:
    (answer,) = machines.new.json("status").values()
    assert (answer["provisioned_by"], answer["drift"], answer["problem"]) == (__version__, [], None)
    assert of_hostsmith(machines.new)["state"] == "ok"


def of_hostsmith(project: Project) -> dict[str, str]:
    (findings,) = project.json("doctor")["hosts"].values()
    (found,) = (each for each in findings if each["check"] == "hostsmith")
    return dict(found)


def serves_deployers_of_the_old_version(machines: Machines) -> None:
    assert "live" in machines.old_deployer.fab("releases").stdout
    refused = machines.deployer.fab("releases", status=1).stderr
    assert "the host's gate for deployers is of another version of hostsmith than yours; have an admin run" in refused


def serves_deployers_of_this_version(machines: Machines) -> None:
    machines.deployer.fab("deploy")
    refused = machines.old_deployer.fab("releases", status=1).stderr
    assert f"your machine has 0.1.0, which is too old for it: upgrade hostsmith on your machine to {__version__}" in (
        refused
    )


def test_after_a_provision_was_cut_off_that_owed_a_reload(machines: Machines) -> None:
    old, new, vps = machines.old, machines.new, machines.old.vps
    settings = json.loads((old.folder / "fabric.yaml").read_text())
    old.write("fabric.yaml", json.dumps({**settings, "client_max_body_size": "17m"}))
    cut_off(old, "provision", "start reload nginx")
    assert "hostsmith.resources.nginx:ReloadNginx" in vps.run(f"cat {OWED}")
    said = new.fab("provision").stdout
    assert "took over the lock of an interrupted run" in said
    assert "reload nginx" in said
    assert json.loads(vps.run(f"cat {OWED}")) == []
    new.fab("provision", "--check")
    assert vps.http("/").body == new.live()
