"""Scaled: the configuration of a release says what `fab scale` said, as if the settings had."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hostsmith.hostkit.app.layout import Layout
from hostsmith.recipes import release
from hostsmith.rendering.template import Template, render
from hostsmith.resources import Validated
from hostsmith.resources.release import scaled as module
from hostsmith.resources.release.scaled import Scaled
from hostsmith.settings.project import Settings

ID = "20261121-101500-1f3c2ab"
CLOCK = {"command": "c", "singleton": True}


def written(folder: Path, scale: Mapping[str, int] | None = None, **values: Any) -> dict[str, str]:
    """The configuration that the settings give, in a folder that is a release's."""
    settings = Settings.model_validate({"app": "blog", **values}).placed(Path("/nowhere"), {})
    group = release.configuration(settings.scaled(scale or {}), ("web",), ID)
    assert isinstance(group, Validated)
    files = [each for each in group.resources if isinstance(each, Template)]
    texts = {Path(file.path).name: render(Path("/nowhere"), file.template, file.variables) for file in files}
    del texts["start"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return texts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "Layout", lambda app: Layout(app, str(tmp_path)))
    return tmp_path / "blog" / "releases" / ID


def processes(worker: int, clock: int) -> dict[str, Any]:
    return {
        "web": "gunicorn a:b",
        "worker": {"command": "w", "scale": worker},
        "worker-2": "other",
        "clock": {**CLOCK, "scale": clock},
    }


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 0), (0, 2), (4, 2)])
def test_it_writes_what_the_settings_would_have_given_and_takes_it_back(folder: Path, before: int, after: int) -> None:
    wanted = written(folder, processes=processes(after, 0), workers=after + 1)
    old = written(folder, processes=processes(before, 1), workers=9)
    scale = Scaled("blog", ID, {"worker": after, "clock": 0, "web": after + 1})
    change = scale.check()
    assert change is not None
    assert set(change.summary.split(", ")) == {f"worker {before} -> {after}", "clock 1 -> 0", f"web 9 -> {after + 1}"}
    change.apply()
    assert {name: (folder / name).read_text() for name in wanted} == wanted
    assert scale.check() is None
    assert change.undo is not None
    change.undo()
    assert {name: (folder / name).read_text() for name in old} == old


def test_a_deploy_renders_the_same(folder: Path) -> None:
    scale = {"worker": 3, "clock": 0, "web": 4}
    wanted = written(folder, processes=processes(3, 0), workers=4)
    assert written(folder, scale, processes=processes(1, 1), workers=9) == wanted


def test_workers_that_the_settings_leave_to_gunicorn(folder: Path) -> None:
    written(folder, processes=processes(1, 1))
    change = Scaled("blog", ID, {"web": 2}).check()
    assert change is not None
    change.apply()
    found: dict[str, Any] = {}
    exec(compile((folder / "gunicorn.conf.py").read_text(), "gunicorn.conf.py", "exec"), found)
    assert found["workers"] == 2


def test_a_process_that_there_is_no_more_is_passed_over(folder: Path) -> None:
    written(folder, processes=processes(1, 1))
    assert Scaled("blog", ID, {"mailer": 3}).check() is None
