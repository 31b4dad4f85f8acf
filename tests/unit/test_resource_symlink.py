"""Symlink: a link with a target, never missing while it changes."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hostsmith.hostkit.linux import filesystem
from hostsmith.resources import Symlink
from local_host import NASTY, LocalHost, tree


def test_created_then_kept_then_changed_then_changed_again(host: LocalHost, place: Path) -> None:
    path = place / "current"
    assert host.converge(Symlink(str(path), "one")).summary == "created -> one"
    assert host.converge(Symlink(str(path), "one")).states == ["ok"]
    assert host.converge(Symlink(str(path), "two")).summary == "one -> two"
    assert host.converge(Symlink(str(path), "one")).summary == "two -> one"
    assert tree(place) == {"current": ("link", 0, "one")}


def test_a_creation_is_undone(host: LocalHost, place: Path) -> None:
    host.undo(Symlink(f"{place}/current", "one"))
    assert tree(place) == {}


def test_a_change_is_undone(host: LocalHost, place: Path) -> None:
    (place / "current").symlink_to("one")
    host.undo(Symlink(f"{place}/current", "two"), Symlink(f"{place}/current", "three"))
    assert tree(place) == {"current": ("link", 0, "one")}


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_any_name_and_target_that_the_file_system_takes(host: LocalHost, place: Path, name: str) -> None:
    for target in (name, "other", name):
        assert host.converge(Symlink(f"{place}/{name}", target)).states == ["changed"]
        assert host.converge(Symlink(f"{place}/{name}", target)).states == ["ok"]
        assert tree(place) == {name: ("link", 0, target)}


def test_a_link_to_a_folder_is_pointed_elsewhere_and_not_followed(host: LocalHost, place: Path) -> None:
    (place / "one").mkdir()
    (place / "two").mkdir()
    (place / "current").symlink_to("one")
    host.converge(Symlink(f"{place}/current", "two"))
    assert os.readlink(place / "current") == "two"
    assert list((place / "one").iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_link_is_refused_and_left(host: LocalHost, place: Path, kind: str) -> None:
    (place / "current").mkdir() if kind == "folder" else (place / "current").write_text("kept")
    before = tree(place)
    assert "exists and is not a symlink" in host.converge(Symlink(f"{place}/current", "one")).error
    assert tree(place) == before


def test_an_error_names_the_link_and_not_its_target(host: LocalHost, place: Path) -> None:
    path = f"{place}/missing/current"
    assert host.converge(Symlink(path, "/etc/hostname")).error == f"{path}: No such file or directory"


def _watched(look: Callable[[], object], work: Callable[[], None]) -> list[object]:
    """All the different things that were seen from another thread while some work was done."""
    done, seen = threading.Event(), []

    def watch() -> None:
        while not done.is_set():
            found = look()
            if found not in seen:
                seen.append(found)

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return seen


def test_a_follower_always_meets_a_target(place: Path) -> None:
    path = place / "current"
    path.symlink_to("0")

    def work() -> None:
        for number in range(200):
            filesystem.symlink_atomic(str(number % 2), str(path))

    assert set(_watched(lambda: os.readlink(path), work)) <= {"0", "1"}


def test_a_program_that_reads_the_folder_never_meets_a_second_link(place: Path) -> None:
    """nginx includes sites-enabled/*, and refuses a site that is there twice; so a killed run must leave none."""

    def work() -> None:
        for number in range(200):
            filesystem.symlink_atomic(str(number % 2), f"{place}/site")

    assert [names for names in _watched(lambda: glob.glob(f"{place}/*"), work) if len(names) > 1] == []
