"""That the benchmark's tools do the same work, and are believed only when they have done it."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from invoke.util import yaml  # type: ignore[attr-defined]

from benchmarks.tools import app, provisioning
from benchmarks.tools.ansible import Ansible
from benchmarks.tools.base import DEPLOY_JOBS, PROVISION_JOBS, WORK, Tool, Way
from benchmarks.tools.capistrano import Capistrano
from benchmarks.tools.hostsmith import Hostsmith
from benchmarks.tools.pyinfra import Pyinfra
from benchmarks.tools.script import Script

TOOLS = [Hostsmith, Pyinfra, Ansible, Capistrano, Script]
PROVISIONERS = [tool for tool in TOOLS if tool.jobs & PROVISION_JOBS]
PACKAGES = ["ca-certificates", "git", "logrotate", "rsync", "python3", "python3-venv", "supervisor", "nginx"]
MODES = {
    "/srv/peer": 0o755,
    "/srv/peer/releases": 0o755,
    "/srv/peer/shared": 0o755,
    "/var/log/peer": 0o755,
    "/srv/peer/peer.txt": 0o644,
    "/etc/nginx/sites-available/peer": 0o644,
    "/etc/logrotate.d/peer": 0o644,
    "/srv/peer/run": 0o750,
    "/srv/peer/marker": 0o644,
}
LINKS = {"/srv/peer/current": "/srv/peer/releases", "/srv/peer/site": "/etc/nginx/sites-available/peer"}


@pytest.fixture
def pyinfra(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What pyinfra is told: the arguments of each of its operations, and which one it is."""
    told: list[dict[str, Any]] = []

    class Operations(ModuleType):
        def __getattr__(self, operation: str) -> Any:
            return lambda **arguments: told.append({"operation": f"{self.__name__}.{operation}", **arguments})

    names = ("apt", "files", "pip", "server", "systemd")
    operations = ModuleType("pyinfra.operations")
    vars(operations).update({name: Operations(name) for name in names})
    monkeypatch.setitem(sys.modules, "pyinfra", ModuleType("pyinfra"))
    monkeypatch.setitem(sys.modules, "pyinfra.operations", operations)
    runpy.run_path(str(WORK / "pyinfra" / "provision.py"))
    return told


@pytest.fixture
def ansible() -> list[dict[str, Any]]:
    """What Ansible is told: the arguments of each of its tasks."""
    (play,) = yaml.safe_load((WORK / "ansible" / "provision.yml").read_text())
    tasks = play["tasks"]
    return [value for task in tasks for key, value in task.items() if key.startswith("ansible.builtin.")]


@pytest.fixture
def hostsmith() -> list[dict[str, Any]]:
    """What hostsmith is told: the fields of each resource, and its type."""
    # In a process of its own: a project adds its task to the tasks of the library.
    program = """if True:
        import json, runpy, sys
        resources = runpy.run_path(sys.argv[1])["RESOURCES"]
        print(json.dumps([{"type": type(one).__name__, **vars(one)} for one in resources], default=str))
    """
    argv = [sys.executable, "-c", program, str(WORK / "hostsmith" / "fabfile.py")]
    told: list[dict[str, Any]] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return told


def test_pyinfra_has_the_18_resources(pyinfra: list[dict[str, Any]]) -> None:
    assert len(pyinfra) == 18
    assert pyinfra[0]["packages"] == PACKAGES
    paths = {told.get("path") or told.get("dest"): told for told in pyinfra}
    assert {path: int(told["mode"], 8) for path, told in paths.items() if "mode" in told} == MODES
    assert {told["path"]: told["target"] for told in pyinfra if "target" in told} == LINKS
    assert [told["service"] for told in pyinfra if "service" in told] == ["nginx", "supervisor"]


def test_ansible_has_the_18_resources(ansible: list[dict[str, Any]]) -> None:
    assert len(ansible) == 18
    assert ansible[0]["name"] == PACKAGES
    paths = {told.get("path") or told.get("dest"): told for told in ansible}
    assert {path: int(told["mode"], 8) for path, told in paths.items() if "mode" in told} == MODES
    assert {told["path"]: told["src"] for told in ansible if told.get("state") == "link"} == LINKS
    assert [told["name"] for told in ansible if told.get("state") == "started"] == ["nginx", "supervisor"]


def test_hostsmith_has_the_18_resources(hostsmith: list[dict[str, Any]]) -> None:
    assert len(hostsmith) == 18
    assert hostsmith[0]["names"] == PACKAGES
    found = {told["path"]: told["mode"] for told in hostsmith if "mode" in told}
    # What pip is to install is in a file, where the others have a task for it.
    del found["/srv/peer/requirements.txt"]
    assert found == MODES
    assert {told["path"]: told["target"] for told in hostsmith if told["type"] == "Symlink"} == LINKS
    assert [told["name"] for told in hostsmith if told["type"] == "Service"] == ["nginx", "supervisor"]


@pytest.mark.parametrize("script", sorted(WORK.rglob("*.sh")), ids=lambda path: str(path.relative_to(WORK)))
def test_a_script_is_one_that_any_shell_can_read(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)


def test_the_tools_leave_each_other_alone_on_one_host() -> None:
    assert len({tool.port for tool in TOOLS}) == len(TOOLS)
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)


@pytest.fixture
def way(tmp_path: Path) -> Way:
    for name in ("key", "known_hosts"):
        (tmp_path / name).touch()
    return Way("10.0.0.2", "127.0.0.1", 2201, tmp_path / "key", tmp_path / "known_hosts")


SAID = {
    Hostsmith: ("web-1: 0 changed, 18 unchanged (0.3 s)\n", "web-1: 1 changed, 17 unchanged (0.3 s)\n"),
    Script: ("0 changed\n", "10 changed\n"),
    Pyinfra: ("[host-1] No changes\n" * 18, "[host-1] No changes\n" * 17 + "[host-1] Success\n"),
    Ansible: (
        "host-1 : ok=18   changed=0    unreachable=0    failed=0    skipped=0\n",
        "host-1 : ok=17   changed=0    unreachable=0    failed=1    skipped=0\n",
    ),
}


@pytest.mark.parametrize("kind", PROVISIONERS)
def test_that_nothing_changed_is_believed_only_when_it_is_said_of_each_host(kind: type[Tool], tmp_path: Path) -> None:
    tool = kind(tmp_path)
    same, other = SAID[kind]
    assert tool.unchanged(same, 1)
    assert tool.unchanged(same * 3, 3)
    assert not tool.unchanged(other, 1)
    assert not tool.unchanged(same + other, 2)
    assert not tool.unchanged(same, 2)


def test_the_site_has_its_number_in_the_first_line_and_nowhere_else(tmp_path: Path) -> None:
    provisioning.create(tmp_path)
    before = (tmp_path / "site.j2").read_text().splitlines()
    provisioning.number(tmp_path, 12)
    provisioning.number(tmp_path, 7)
    assert (tmp_path / "site.j2").read_text().splitlines() == ["# 7", *before[1:]]


def test_the_script_sends_the_number_that_was_asked_for(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.template(7)
    assert (tmp_path / "provision.sh").read_text().startswith("number=7\n")


def test_a_revision_is_a_commit_that_pins_what_its_page_will_say(tmp_path: Path) -> None:
    app.create(tmp_path / "app")
    app.commit(tmp_path / "app", 1, 0)
    app.commit(tmp_path / "app", 2, 1)
    log = ["git", "-C", str(tmp_path / "app"), "log", "--format=%s", "-p", "--", "requirements.txt"]
    told = subprocess.run(log, capture_output=True, text=True, check=True).stdout
    first, second = (app.page(number, number - 1) for number in (1, 2))
    assert f"-certifi=={first.split()[-1]}\n" in told
    assert f"+certifi=={second.split()[-1]}\n" in told
    assert second.startswith("revision 2 with certifi ")


def test_no_two_deploys_in_a_row_want_the_same_requirements_when_others_were_asked_for() -> None:
    pages = [app.page(1, requirements) for requirements in range(100)]
    assert all(one != other for one, other in zip(pages, pages[1:], strict=False))


@pytest.mark.parametrize("kind", TOOLS)
def test_a_tool_is_told_of_hosts_by_the_port_of_the_proxy(kind: type[Tool], tmp_path: Path, way: Way) -> None:
    tool = kind(tmp_path / "tool")
    tool.cwd.mkdir(exist_ok=True)  # as `install` makes it
    tool.use([way])
    if kind is Script:
        told = " ".join(tool.command(next(iter(DEPLOY_JOBS))))
    else:
        told = "".join(path.read_text() for path in tool.folder.rglob("*") if path.suffix in (".json", ".py", ".yaml"))
    assert "127.0.0.1" in told
    assert "2201" in told
    assert "10.0.0.2" not in told


def test_the_script_is_sent_to_each_host_and_fails_when_one_fails(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\ncase "$*" in *bad*) exit 3;; esac\necho "$*"; cat\n')
    ssh.chmod(0o755)
    (tmp_path / "script").write_text("the script\n")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv = ["sh", str(WORK / "script" / "each.sh"), str(tmp_path / "script"), "key", "known", "root"]
    well = subprocess.run(
        [*argv, "one", "22", "two", "23"], env=environment, capture_output=True, text=True, check=True
    )
    assert "-p 22 root@one sh -s" in well.stdout
    assert "-p 23 root@two sh -s" in well.stdout
    assert well.stdout.count("the script\n") == 2
    assert subprocess.run([*argv, "bad", "22", "two", "23"], env=environment, capture_output=True).returncode == 1
