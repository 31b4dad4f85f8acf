"""Directory: a folder with its parents, owner and mode."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hostsmith.hostkit.linux import acl
from hostsmith.resources import Directory
from local_host import ME, MY_GROUP, NASTY, LocalHost, mode, tree

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")


def test_created_then_kept_then_changed_then_changed_again(host: LocalHost, place: Path) -> None:
    path = place / "data"
    assert host.converge(Directory(str(path), mode=0o750)).summary == "created"
    assert mode(path) == 0o750
    assert host.converge(Directory(str(path), mode=0o750)).states == ["ok"]
    assert host.converge(Directory(str(path), mode=0o700)).summary == "mode 0750 -> 0700"
    assert host.converge(Directory(str(path), mode=0o2770)).states == ["changed"]
    assert mode(path) == 0o2770
    assert host.converge(Directory(str(path))).states == ["ok"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("slash", ["", "/"])
def test_parents_are_open_and_the_folder_is_as_asked_for(host: LocalHost, place: Path, umask: int, slash: str) -> None:
    before = os.umask(umask)
    try:
        host.converge(Directory(f"{place}/a/b/c{slash}", mode=0o700), Directory(f"{place}/d{slash}"))
    finally:
        os.umask(before)
    assert {name: entry[1] for name, entry in tree(place).items()} == {
        "a": 0o755,
        "a/b": 0o755,
        "a/b/c": 0o700,
        "d": 0o755,
    }


def test_a_creation_is_undone_with_the_parents_it_made_and_no_others(host: LocalHost, place: Path) -> None:
    (place / "a").mkdir()
    before = tree(place)
    host.undo(Directory(f"{place}/a/b/c"))
    assert tree(place) == before


def test_a_change_is_undone(host: LocalHost, place: Path) -> None:
    (place / "a").mkdir(mode=0o711)
    (place / "a/f").write_text("kept")
    before = tree(place)
    host.undo(Directory(f"{place}/a", mode=0o700, owner=ME, group=MY_GROUP))
    assert tree(place) == before


def test_undo_leaves_a_folder_that_is_used_since(host: LocalHost, place: Path) -> None:
    change = Directory(f"{place}/a/b").check()
    assert change is not None and change.undo is not None
    change.apply()
    (place / "a/somebody-elses").write_text("kept")
    change.undo()
    assert list(tree(place)) == ["a", "a/somebody-elses"]


def test_a_creation_that_fails_half_way_is_undone(host: LocalHost, place: Path) -> None:
    outcome = host.converge(Directory(f"{place}/a/b", owner="nobody-like-this"))
    assert "nobody-like-this" in outcome.error
    assert tree(place) == {}


@as_root
def test_owner_and_group_are_set_kept_and_put_back(host: LocalHost, place: Path) -> None:
    path = place / "data"
    theirs = Directory(str(path), owner="daemon", group="mail")
    host.converge(theirs)
    assert (path.owner(), path.group(), mode(path)) == ("daemon", "mail", 0o755)
    assert host.converge(theirs, Directory(str(path))).states == ["ok", "ok"]
    host.undo(Directory(str(path), owner="root", mode=0o700))
    assert (path.owner(), path.group(), mode(path)) == ("daemon", "mail", 0o755)


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_any_name_that_the_file_system_takes(host: LocalHost, place: Path, name: str) -> None:
    assert host.converge(Directory(f"{place}/{name}/{name}")).states == ["changed"]
    assert host.converge(Directory(f"{place}/{name}/{name}")).states == ["ok"]
    assert list(tree(place)) == [name, f"{name}/{name}"]


def test_a_link_to_a_folder_is_one(host: LocalHost, place: Path) -> None:
    (place / "real").mkdir()
    (place / "link").symlink_to("real")
    assert host.converge(Directory(f"{place}/link/")).states == ["ok"]


@pytest.mark.parametrize("path", ["file", "file/below", "file/deep/below", "nowhere", "nowhere/below"])
def test_what_is_no_folder_is_refused_also_in_a_dry_run(host: LocalHost, place: Path, path: str) -> None:
    (place / "file").write_text("kept")
    (place / "nowhere").symlink_to("missing")
    before = tree(place)
    for outcome in (host.plan(Directory(f"{place}/{path}")), host.converge(Directory(f"{place}/{path}"))):
        assert outcome.states == ["failed"]
        assert f"{place / path.split('/')[0]} is" in outcome.error
        assert "not a folder" in outcome.error
    assert tree(place) == before


@as_root
def test_users_who_may_pass_through_come_no_further(host: LocalHost, place: Path) -> None:
    path = place / "door"
    resource = Directory(str(path), mode=0o750, passable=("nobody",))
    assert host.converge(resource).summary == "created"
    assert host.converge(resource).states == ["ok"]
    assert mode(path) == 0o750
    path.chmod(0o700)
    assert "passable for nobody" in host.converge(resource).summary
    nobody = pwd.getpwnam("nobody").pw_uid
    assert acl.read(str(path)) == acl.passable(0o750, [nobody])


@as_root
def test_a_way_through_is_undone(host: LocalHost, place: Path) -> None:
    path = place / "door"
    path.mkdir(mode=0o755)
    host.undo(Directory(str(path), mode=0o750, passable=("nobody",)))
    assert (mode(path), acl.read(str(path))) == (0o755, None)
