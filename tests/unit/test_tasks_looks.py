"""The tasks that only look at hosts, where no host answers: each is named with the reason, on standard error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from local_fab import Fab


@pytest.fixture
def fab(tmp_path: Path) -> Fab:
    """A project with two hosts of which nobody is at home."""
    project = Fab(tmp_path)
    project.write(
        "app: blog\nroles: {web: ['127.0.0.1:1'], worker: ['127.0.0.1:2']}\nprocesses: {web: gunicorn blog}\n"
    )
    project.write("from hostsmith import ns\n", "fabfile.py")
    return project


def test_a_status_shows_every_host_that_is_away(fab: Fab) -> None:
    done = fab.run("status")
    assert done.returncode == 1
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["HOST", "ROLES", "RELEASE", "HEALTH", "DISK", "LAG", "DRIFT", "HOSTSMITH", "PROCESSES"]
    assert [row.split()[:3] for row in rows] == [
        ["127.0.0.1:1", "web", "unreachable"],
        ["127.0.0.1:2", "worker", "unreachable"],
    ]
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == ["127.0.0.1:1", "127.0.0.1:2"]


def test_a_status_as_json_is_one_document_whatever_happens(fab: Fab) -> None:
    done = fab.run("status", "--json", "--role", "worker")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)["hosts"].items()
    assert found[0] == "127.0.0.1:2"
    assert (found[1]["roles"], found[1]["error"]) == (["worker"], "unreachable")
    assert "no SSH connection" in found[1]["reason"]


@pytest.mark.parametrize("task", ["releases", "unlock"])
def test_a_host_that_is_away_is_no_success(fab: Fab, task: str) -> None:
    done = fab.run(task, "--host", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no SSH connection" in done.stderr
    assert "Traceback" not in done.stderr


def test_releases_are_asked_only_of_hosts_that_run_the_app(fab: Fab) -> None:
    done = fab.run("releases", "--role", "worker")
    assert (done.returncode, done.stdout, done.stderr) == (0, "none of these hosts runs blog\n", "")
