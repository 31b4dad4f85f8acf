"""Absent: what must not be there goes, and what holds a system together is refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hostsmith.resources import Absent, File
from local_host import NASTY, LocalHost, tree


@pytest.fixture(params=["file", "link", "dangling", "folder", "pipe", "socket"])
def thing(request: pytest.FixtureRequest, place: Path) -> str:
    """Something of each kind, by the name of its kind."""
    kind, path = str(request.param), place / "thing"
    (place / "target").mkdir()
    (place / "target/kept").write_text("kept")
    if kind == "file":
        path.write_bytes(b"\0old")
        path.chmod(0o640)
    elif kind in ("link", "dangling"):
        path.symlink_to("target" if kind == "link" else "nowhere")
    elif kind == "folder":
        (path / "deep/deeper").mkdir(parents=True)
        (path / "deep/file").write_text("x")
        (path / "link").symlink_to("../target")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    return kind


def test_removed_then_kept_away_then_removed_again(host: LocalHost, place: Path, thing: str) -> None:
    gone = Absent(f"{place}/thing")
    kind = {"dangling": "link", "pipe": "file", "socket": "file"}.get(thing, thing)
    assert host.converge(gone).summary == f"removed {kind}"
    assert list(tree(place)) == ["target", "target/kept"]
    assert host.converge(gone).states == ["ok"]
    assert host.converge(File(f"{place}/thing", "back"), gone).states == ["changed", "changed"]
    assert list(tree(place)) == ["target", "target/kept"]


def test_a_file_or_link_is_put_back_as_it_was(host: LocalHost, place: Path, thing: str) -> None:
    before = tree(place)
    host.undo(Absent(f"{place}/thing"))
    if thing in ("file", "link", "dangling"):
        assert tree(place) == before
    else:
        assert list(tree(place)) == ["target", "target/kept"], "nothing else is put in its place"


def test_a_dry_run_removes_nothing(host: LocalHost, place: Path, thing: str) -> None:
    before = tree(place)
    assert host.plan(Absent(f"{place}/thing")).states == ["changed"]
    assert tree(place) == before


def test_undo_overwrites_nothing_that_came_since(place: Path) -> None:
    (place / "f").write_text("old")
    change = Absent(f"{place}/f").check()
    assert change is not None and change.undo is not None
    change.apply()
    (place / "f").write_text("somebody else's")
    change.undo()
    assert (place / "f").read_text() == "somebody else's"


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_any_name_that_the_file_system_takes(host: LocalHost, place: Path, name: str) -> None:
    (place / name).write_text("x")
    (place / "kept").write_text("x")
    host.undo(Absent(f"{place}/{name}"))
    assert (place / name).read_text() == "x"
    assert host.converge(Absent(f"{place}/{name}")).states == ["changed"]
    assert list(tree(place)) == ["kept"]


@pytest.mark.parametrize("path", ["missing", "missing/below", "file/below"])
def test_what_cannot_be_there_is_absent(host: LocalHost, place: Path, path: str) -> None:
    (place / "file").write_text("kept")
    assert host.converge(Absent(f"{place}/{path}")).states == ["ok"]


@pytest.mark.parametrize(
    "path",
    ["/", "//", "///", "/etc", "/etc/", "//etc", "/etc/.", "/usr/../etc", "/var/lib/", "/var/log", "/usr/bin", "",
     "relative", "."],
)  # fmt: skip
def test_a_wrong_variable_in_a_path_cannot_empty_a_host(host: LocalHost, path: str) -> None:
    outcome = host.plan(Absent(path))
    assert outcome.states == ["failed"]
    assert f"refused to remove {path!r}" in outcome.error
