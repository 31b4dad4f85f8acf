"""What is read out of supervisord's configuration of a release: how long each process may take, how many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hostsmith.hostkit.supervisor.supervisor_config import longest, process_of, programs, stop_seconds
from hostsmith.recipes import release
from hostsmith.rendering.template import Template, render
from hostsmith.resources import Validated
from hostsmith.settings.project import Settings

ID = "20261121-101500-1f3c2ab"


def config(folder: Path, processes: dict[str, Any]) -> Path:
    settings = Settings.model_validate({"app": "blog", "processes": processes}).placed(Path("/nowhere"), {})
    group = release.configuration(settings, ("web",), ID)
    assert isinstance(group, Validated)
    (file,) = [
        each for each in group.resources if isinstance(each, Template) and each.path.endswith("/supervisor.conf")
    ]
    path = folder / "supervisor.conf"
    path.write_text(render(Path("/nowhere"), file.template, file.variables))
    return path


def test_each_process_has_its_own_time_to_end(tmp_path: Path) -> None:
    worker = {"command": "w", "scale": 2, "stop_timeout": 300, "start_timeout": 9}
    path = config(tmp_path, {"web": "gunicorn a:b", "worker": worker, "idle": {"command": "i", "scale": 0}})
    assert stop_seconds(str(path)) == {"web": 35, "worker": 300, "idle": 35}
    assert longest(str(path), "startsecs", 1.0) == 9
    assert programs(path.read_text()) == 2
    assert process_of("worker.2") == "worker"


def test_a_file_of_somebody_elses_has_what_supervisord_takes_when_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "thumbd.conf"
    path.write_text("[program:thumbd]\ncommand=thumbd\n")
    assert stop_seconds(str(path)) == {"thumbd": 10}
    assert stop_seconds(str(tmp_path / "nowhere.conf")) == {}
