"""The settings of the processes: what a mapping may say, which process of the Procfile it refines, which host runs a
singleton."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fabric import Config
from hostsmith.errors import SettingsError
from hostsmith.inventory.processes import processes
from hostsmith.inventory.project import load, load_settings
from hostsmith.openssh.host import Host
from hostsmith.settings import Settings
from invoke.context import Context
from invoke.util import yaml
from local_fab import Fab


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Procfile").write_text("web: gunicorn app:app\nworker: python worker.py\n")
    return tmp_path


def loaded(project: Path, **settings: Any) -> Settings:
    (project / "fabric.yaml").write_text(yaml.safe_dump({"app": "blog", **settings}))
    config = Config(lazy=True, project_location=project)
    config.load_project()
    return load(Context(config))


def test_a_mapping_without_command_refines_the_process_of_the_procfile(project: Path) -> None:
    worker = loaded(project, processes={"worker": {"scale": 3, "memory": "2g"}}).processes["worker"]
    assert (worker.command, worker.scale, worker.memory_kib) == ("python worker.py", 3, 2 * 1024 * 1024)


def test_a_command_alone_is_a_process_like_all(project: Path) -> None:
    found = loaded(project, processes={"beat": "beat", "worker": "other"}).processes
    assert found["beat"] == type(found["beat"])(command="beat")
    assert (found["worker"].command, found["web"].command) == ("other", "gunicorn app:app")


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"beat": {"scale": 2}}, "processes.beat: the command is missing here and in Procfile"),
        ({"beat": ["x"]}, "processes.beat: found a list, expected a command such as"),
        ({"worker": {"scale": -1}}, "processes.worker.scale: found -1, expected a whole number from 0 to 100"),
        ({"worker": {"scale": 101}}, "processes.worker.scale: found 101, expected a whole number from 0 to 100"),
        ({"worker": {"stop_signal": "STOP"}}, "found 'STOP', expected a signal: TERM"),
        ({"worker": {"stop_timeout": 0}}, "processes.worker.stop_timeout: found 0, expected a number of seconds"),
        ({"worker": {"memory": "much"}}, "found 'much', expected a size"),
        ({"worker": {"memory": 512}}, "processes.worker.memory: found 512, expected a size"),
        ({"worker": {"signal": "INT"}}, "found an unknown key"),
        (
            {"worker": {"singleton": True, "scale": 2}},
            "found worker with a scale of 2, expected a scale of at most 1 for a singleton",
        ),
        ({"web": {"scale": 2}}, "set `workers` for gunicorn"),
        ({"web": {"singleton": True}}, "expected `web` without scale and singleton"),
        ({"release": {"command": "x", "scale": 2}}, "it runs once and ends by itself"),
    ],
)
def test_what_is_wrong_is_told(project: Path, own: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(project, processes=own)
    assert problem in str(caught.value)


def test_hosts_can_be_known_without_the_procfile_that_a_mapping_refines(project: Path) -> None:
    (project / "Procfile").unlink()
    (project / "fabric.yaml").write_text("app: blog\nprocesses: {worker: {scale: 2}}\nroles: {web: [web1]}\n")
    config = Config(lazy=True, project_location=project)
    config.load_project()
    assert load_settings(config).roles


CLOCK = {"web": "gunicorn a:a", "clock": {"command": "c", "singleton": True}}


@pytest.mark.parametrize(
    ("roles", "runner"),
    [
        ({"web": ["web1", "web2"]}, "web1"),
        ({"web": ["web1", {"host": "web2", "primary": True}]}, "web2"),
        ({"web": ["web1"], "clock": ["web2", "web1"]}, "web2"),
        ({"web": [{"host": "web1", "primary": True}], "clock": ["web2"]}, "web2"),
    ],
)
def test_a_singleton_runs_on_the_primary_host_or_the_first_that_plays_its_role(
    roles: dict[str, Any], runner: str
) -> None:
    settings = Settings(app="blog", processes=CLOCK, roles=roles)
    running = []
    for name in ("web1", "web2"):
        host = Host.parse(name)
        if "clock" in processes(settings.on(host), settings.roles_of(host)):
            running.append(name)
    assert running == [runner]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["hosts"], [["web", "clock"], ["web"]]),
        (["hosts", "--host", "w2"], [["web"]]),
        (["-H", "w2", "hosts"], [["web"]]),
        (["-H", "new1,new2", "hosts"], [["web", "clock"], ["web"]]),
        (["-H", "new1,new2", "hosts", "--host", "new2"], [["web"]]),
    ],
)
def test_it_runs_once_whatever_hosts_a_task_is_limited_to(
    tmp_path: Path, arguments: list[str], expected: list[list[str]]
) -> None:
    fab = Fab(tmp_path)
    fab.write("from hostsmith import ns\n", "fabfile.py")
    fab.write("app: blog\nprocesses: {web: gunicorn a, clock: {command: c, singleton: true}}\nroles: {web: [w1, w2]}\n")
    listing = json.loads("\n".join(fab.output(*arguments, "--json")))["hosts"]
    assert [host["processes"] for host in listing] == expected
