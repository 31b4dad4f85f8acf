"""What is owed: it outlives the run, whoever runs next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hostsmith.agent.owed import Owed
from hostsmith.resources import Directory, Reload, Restart
from local_host import LocalHost
from own_resources import Append


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lib/hostsmith"


def test_kept_in_order_once_each_and_crossed_out(folder: Path) -> None:
    owed = Owed(str(folder))
    assert owed.add([Reload("nginx"), Restart("x"), Reload("nginx")]) == [Reload("nginx"), Restart("x")]
    assert owed.add([Restart("x"), Restart("y")]) == [Restart("y")]
    assert Owed(str(folder)).handlers == [Reload("nginx"), Restart("x"), Restart("y")]
    owed.remove([Restart("x")])
    assert Owed(str(folder)).handlers == [Reload("nginx"), Restart("y")]


def test_nothing_owed_leaves_no_trace(folder: Path) -> None:
    owed = Owed(str(folder))
    owed.add([])
    owed.remove([])
    assert owed.handlers == []
    assert not folder.exists()


@pytest.mark.parametrize(
    "item",
    [
        {"$type": "another_project:Restart", "fields": {}},
        {"$type": "own_resources:Gone", "fields": {}},
        {"$type": "hostsmith.resources.handlers:Reload", "fields": {"unit": "of another version"}},
        {"$type": "own_resources:Path", "fields": {}},
    ],
)
def test_what_this_run_cannot_load_stays_and_stops_nobody(host: LocalHost, tmp_path: Path, item: object) -> None:
    """Another project's own handler, or one of another version: this run does not bring its code."""
    file = tmp_path / "state/owed.json"
    own = {"$type": "own_resources:Append", "fields": {"path": str(tmp_path / "log"), "line": "ran"}}
    file.write_text(json.dumps([item, own]))
    outcome = host.converge(Directory(str(tmp_path)))
    assert (outcome.ok, outcome.states) == (True, ["ok", "ran"])
    assert json.loads(file.read_text()) == [item]
    assert f"{file}" in outcome.notes[0]
    assert item["$type"] in outcome.notes[0]
    assert host.plan(Directory(str(tmp_path))).ok


def test_a_handler_is_owed_again_after_it_ran(folder: Path) -> None:
    owed = Owed(str(folder))
    for _ in range(2):
        assert owed.add([Append("/x")]) == [Append("/x")]
        owed.remove([Append("/x")])
