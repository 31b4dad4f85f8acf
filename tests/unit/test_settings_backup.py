"""`backup` of the settings: what is a schedule, what systemd is told, and what becomes of a host for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fabric import Config
from hostsmith import recipes
from hostsmith.agent import scheduled
from hostsmith.errors import SettingsError
from hostsmith.hostkit.app import backup_files
from hostsmith.hostkit.app.archive import Writer, header
from hostsmith.inventory.project import load_settings
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.rendering.template import Template
from hostsmith.resources import File
from hostsmith.settings import Settings
from hostsmith.settings.backup import calendar
from hostsmith.settings.kinds import UnexpectedError


def _settings(**backup: Any) -> Settings:
    return Settings.model_validate({"app": "hello", "processes": {"web": "gunicorn x:app"}, "backup": backup})


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("15 3 * * *", "*-*-* 03:15:00"),
        ("*/20 * * * *", "*-*-* *:00,20,40:00"),
        ("0 0 1,15 * *", "*-*-01,15 00:00:00"),
        ("5 4 * 6-8 *", "*-06,07,08-* 04:05:00"),
        ("30 2 * * 0", "Sun *-*-* 02:30:00"),
        ("30 2 * * 7", "Sun *-*-* 02:30:00"),
        ("30 2 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 02:30:00"),
        ("0 8-18/5 * * *", "*-*-* 08,13,18:00:00"),
    ],
)
def test_a_schedule_of_cron_is_told_to_systemd(cron: str, expected: str) -> None:
    assert calendar(cron) == expected


@pytest.mark.parametrize(
    "cron",
    ["", "daily", "15 3 * *", "60 3 * * *", "15 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "5-2 * * * *"]
    + ["*/0 * * * *", "0 0 1 * 1", "a b c d e", "-1 * * * *", "1;2 * * * *"],
)
def test_what_is_no_schedule_is_told(cron: str) -> None:
    with pytest.raises(UnexpectedError):
        calendar(cron)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"schedule": "daily"}, "five fields such as"),
        ({"schedule": "61 3 * * *"}, "as minute, which goes from 0 to 59"),
        ({"schedule": "1 3 1 * 1"}, "set only one of the two"),
        ({"keep": 0}, "a whole number, 1 or more"),
        ({"to": "backups"}, "an absolute path"),
        ({"to": "/var/../etc"}, "an absolute path"),
        ({"to": "/var/back ups"}, "an absolute path"),
        ({"before-migrate": True}, "before_migrate"),
        ({"before_migrate": "x"}, "true or false"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    (tmp_path / "fabric.yaml").write_text(json.dumps({"app": "hello", "backup": wrong}))
    config = Config(lazy=True, project_location=tmp_path)
    config.load_project()
    with pytest.raises(SettingsError, match=told):
        load_settings(config)


def test_a_project_that_asks_for_no_backups_gets_nothing_for_them() -> None:
    assert "backup" not in str(recipes.provision(_settings(), ALL_ROLES)).lower()


def test_a_host_gets_a_timer_and_the_plan_of_its_own_part() -> None:
    found = recipes.provision(_settings(schedule="15 3 * * *", keep=3, to="/data/backups/"), ALL_ROLES)
    (plan,) = [each for each in found if isinstance(each, File) and each.path == "/etc/hostsmith/backup-hello.json"]
    data = json.loads(str(plan.content))
    assert (data["app"], data["to"], data["keep"], data["environment"]) == ("hello", "/data/backups", 3, True)
    assert [name for name, _ in data["parts"]] == ["files"]
    assert plan.mode == 0o600
    (timer,) = [each for each in found if isinstance(each, Template) and each.path.endswith(".timer")]
    assert timer.variables["calendar"] == "*-*-* 03:15:00"


def _archive(folder: Path, app: str, time: str) -> str:
    name = f"{app}-20261121-{time}.tar"
    with Writer(str(folder / name), header(app, 0, {"id": "r"}, ["files"], "1.0", None)) as writer:
        with writer.part("files") as part:
            part.write(b"x")
        writer.finish()
    return name


def test_only_the_oldest_archives_of_the_app_are_removed(tmp_path: Path) -> None:
    mine = [_archive(tmp_path, "hello", f"03150{n}") for n in range(5)]
    others = [_archive(tmp_path, "hello-admin", "000000"), _archive(tmp_path, "a", "000000")]
    (tmp_path / "hello-notes.tar").write_text("mine")
    scheduled.rotate("hello", str(tmp_path), 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*mine[-2:], *others, "hello-notes.tar"])
    listed = backup_files.listed("hello", str(tmp_path))
    assert [(each["name"], each["release"], each["parts"]) for each in listed] == [
        (n, "r", ["files"]) for n in mine[-2:]
    ]


def test_a_backup_that_fails_removes_none_that_is_there_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = _archive(tmp_path, "hello", "031500")
    (tmp_path / ".hello-20261121-031600.tar.x1.part").write_text("cut off")
    plan = {"app": "hello", "to": str(tmp_path), "keep": 1, "hostsmith": "1", "environment": False}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan, "parts": [["postgres", ["sh", "-c", "echo half; echo no disk >&2; exit 1"]]]}))
    with pytest.raises(SystemExit, match="no backup of hello: sh: ended with status 1\nno disk"):
        scheduled.main(str(path))
    assert sorted(each.name for each in tmp_path.iterdir()) == [kept, "plan.json"]
    path.write_text(json.dumps({**plan, "parts": [["files", ["echo", "data"]]]}))
    scheduled.main(str(path))
    (made,) = backup_files.names("hello", str(tmp_path))
    assert made != kept
    assert capsys.readouterr().out.startswith(str(tmp_path / made))
