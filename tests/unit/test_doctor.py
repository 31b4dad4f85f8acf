"""What `fab doctor` says of this machine, and what it makes of clocks that differ."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hostsmith.agent.doctor import finding
from hostsmith.views.doctor import clock, style, verdict
from local_fab import Fab


@pytest.fixture
def fab(tmp_path: Path) -> Fab:
    """A project in git that names no hosts."""
    project = Fab(tmp_path)
    project.write("app: blog\nprocesses: {web: gunicorn blog}\n")
    project.write("from hostsmith import ns\n", "fabfile.py")
    return project


def here(fab: Fab, status: int = 0) -> dict[str, dict[str, str]]:
    done = fab.run("doctor", "--json")
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return {each["check"]: each for each in json.loads(done.stdout)["here"]}


def test_a_project_without_hosts_is_looked_at_where_it_is(fab: Fab) -> None:
    found = here(fab)
    assert found["settings"]["found"] == "app blog, no hosts"
    assert found["git"]["state"] == found["python"]["state"] == found["source"]["state"] == "ok"


def test_settings_that_are_wrong_are_told_and_the_rest_is_looked_at(fab: Fab) -> None:
    fab.write("app: Blog\n")
    found = here(fab, status=1)
    assert found["settings"]["state"] == "wrong"
    assert "app: found 'Blog'" in found["settings"]["found"]
    assert "git" in found


def test_a_source_that_is_not_committed_is_told_with_its_files(fab: Fab, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    assert here(fab)["source"]["found"].endswith(" all")
    fab.write("app: blog\nprocesses: {web: gunicorn other}\n")
    found = here(fab)["source"]
    assert found["state"] == "advice"
    assert "changes that are not committed: M fabric.yaml" in found["found"]
    assert "--dirty" in found["mend"]


def test_keys_that_others_may_read_are_told(fab: Fab, tmp_path: Path) -> None:
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("x")
    key.chmod(0o644)
    assert here(fab)["ssh keys"]["found"] == "others may read id_ed25519"
    key.chmod(0o600)
    assert here(fab)["ssh keys"] == finding("ssh keys", "ok", "id_ed25519")


@pytest.mark.parametrize(
    ("told", "state", "found"),
    [
        (100.5, "ok", "right"),
        (101.5, "ok", "right"),
        (111.0, "advice", "10 s fast"),
        (90.0, "advice", "10 s slow"),
        (1000.0, "wrong", "899 s fast"),
    ],
)
def test_a_clock_is_compared_as_exactly_as_the_way_there_lets_it(told: float, state: str, found: str) -> None:
    seen = clock(100.0, told, 101.0)
    assert (seen["state"], seen["found"]) == (state, found)


def test_the_worst_says_what_a_host_looks_like() -> None:
    well, advice, wrong = (finding("disk", state, "") for state in ("ok", "advice", "wrong"))
    assert [verdict(found) for found in ([well], [well, advice], [advice, wrong])] == [
        "healthy",
        "healthy, 1 to check",
        "1 wrong",
    ]
    assert [style(found) for found in ([well], [well, advice], [advice, wrong])] == [None, "yellow", "red"]
