"""Cron entries: which minutes a schedule means, that a run is never doubled, and what is said of a wrong one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostsmith.errors import SettingsError
from hostsmith.hostkit.app import cron
from hostsmith.hostkit.app.cron import Schedule, Scheduler
from hostsmith.openssh.host import Host
from hostsmith.recipes import release
from hostsmith.resources import File, Validated
from hostsmith.settings.project import Settings
from pydantic import ValidationError

ID = "20261121-101500-1f3c2ab"


@pytest.mark.parametrize(
    ("schedule", "moment", "is_due"),
    [
        ("* * * * *", "2026-11-21 04:07", True),
        ("7 4 * * *", "2026-11-21 04:07", True),
        ("7 4 * * *", "2026-11-21 04:08", False),
        ("*/5 * * * *", "2026-11-21 04:05", True),
        ("*/5 * * * *", "2026-11-21 04:07", False),
        ("5/10 * * * *", "2026-11-21 04:15", True),
        ("0-30/10,45 9-17 * * mon-fri", "2026-11-20 17:45", True),
        ("0-30/10,45 9-17 * * mon-fri", "2026-11-21 17:45", False),
        ("0 0 * * 7", "2026-11-22 00:00", True),
        ("0 0 * * SUN", "2026-11-22 00:00", True),
        ("0 0 1 jan-mar *", "2026-02-01 00:00", True),
        # Both days restricted: one is enough, as with cron.
        ("0 0 1 * mon", "2026-11-23 00:00", True),
        ("0 0 23 * */2", "2026-11-23 00:00", False),
        ("@daily", "2026-11-23 00:00", True),
        ("@hourly", "2026-11-23 05:01", False),
        ("@weekly", "2026-11-22 00:00", True),
        ("@monthly", "2026-11-01 00:00", True),
        ("@yearly", "2026-11-01 00:00", False),
    ],
)
def test_a_schedule_means_the_minutes_that_cron_reads_in_it(schedule: str, moment: str, is_due: bool) -> None:
    assert Schedule.parse(schedule).matches(time.strptime(moment, "%Y-%m-%d %H:%M")) is is_due


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("0 3 * *", "it has 4 fields"),
        ("60 * * * *", "it has '60' as minute, which goes from 0 to 59"),
        ("* * 0 * *", "it has '0' as day of the month"),
        ("30-10 * * * *", "it has '30-10' as minute"),
        ("*/0 * * * *", "it has '*/0' as minute"),
        ("* * * * funday", "it has 'funday' as day of the week"),
        ("* * *-2 * *", "it has '*-2' as day of the month"),
        ("@reboot", "it has 1 fields"),
    ],
)
def test_a_schedule_that_is_none_is_told(schedule: str, why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(app="blog", cron={"job": {"schedule": schedule, "command": "x"}})
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("cron", "job", "schedule")
    assert problem["ctx"]["error"].hint.startswith(why)


def settings(**values: object) -> Settings:
    given = {"app": "blog", "processes": {"web": "gunicorn a:b"}, **values}
    return Settings.model_validate(given).placed(Path("/nowhere"), {})


def test_a_process_of_the_same_name_is_refused() -> None:
    entry = {"job": {"schedule": "@daily", "command": "x"}}
    with pytest.raises(SettingsError, match="expected another name for this process"):
        settings(processes={"web": "gunicorn a:b", "cron": "crond"}, cron=entry)
    assert settings(processes={"web": "gunicorn a:b", "cron": "crond"}).processes["cron"].command == "crond"


def test_entries_are_run_on_one_host_but_for_those_of_every_host() -> None:
    entries = {
        "once": {"schedule": "@daily", "command": "x"},
        "everywhere": {"schedule": "@daily", "command": "y", "every_host": True},
    }
    found = settings(cron=entries, roles={"web": ["web1", "web2"]})
    files = {}
    for name in ("web1", "web2"):
        group = release.configuration(found.on(Host.parse(name)), ("web",), ID)
        assert isinstance(group, Validated)
        (content,) = [file.content for file in group.resources if isinstance(file, File) and "cron.json" in file.path]
        files[name] = list(json.loads(str(content)))
    assert files == {"web1": ["once", "everywhere"], "web2": ["everywhere"]}


def test_a_project_without_entries_gets_no_file_and_no_process() -> None:
    group = release.configuration(settings(), ("web",), ID)
    assert isinstance(group, Validated)
    assert not [each for each in group.resources if "cron" in each.describe()]


def seen(path: Path, text: str) -> None:
    """Wait until a file has a text."""
    limit = time.monotonic() + 20
    while text not in (path.read_text() if path.exists() else ""):
        assert time.monotonic() < limit, f"no {text!r} in {path}"
        time.sleep(0.02)


def test_what_was_missed_is_run_once_and_not_while_the_run_before_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    go = tmp_path / "go"
    entry = (Schedule.parse("* * * * *"), f"echo x >> {tmp_path}/runs; while [ ! -e {go} ]; do sleep 0.02; done")
    scheduler = Scheduler({"job": entry}, str(tmp_path))
    now = int(time.time()) // 60
    scheduler.look(now)
    assert not (tmp_path / "runs").exists(), "nothing was missed before the first look"
    (tmp_path / "looked").write_text(str(now - 10))
    scheduler.look(now)
    scheduler.look(now)
    scheduler.look(now + 1)
    seen(tmp_path / "runs", "x\n")
    go.touch()
    scheduler.stop()
    scheduler.run()
    assert (tmp_path / "runs").read_text() == "x\n"
    said = [line.partition(" ")[2] for line in capfd.readouterr().out.splitlines()]
    assert said[0] == "job: started"
    assert "job: skipped, since the previous run has not ended" in said
    assert said[-1].startswith("job: ended with exit status 0 after ")


def test_told_to_stop_it_lets_a_run_finish(tmp_path: Path) -> None:
    (tmp_path / ".cron").mkdir()
    (tmp_path / ".cron/looked").write_text(str(int(time.time()) // 60 - 2))
    command = f"echo begun > {tmp_path}/begun; sleep 0.5; echo done > {tmp_path}/done"
    (tmp_path / "cron.json").write_text(json.dumps({"job": {"schedule": "* * * * *", "command": command}}))
    # As it runs in a release: by itself, with the standard library alone.
    argv = [sys.executable, "-I", str(Path(cron.__file__)), str(tmp_path / "cron.json")]
    environment = {**os.environ, "HOME": str(tmp_path)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        seen(tmp_path / "begun", "begun")
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (tmp_path / "done").read_text() == "done\n"
    assert "job: ended with exit status 0" in said
