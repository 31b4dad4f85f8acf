"""What a power cut leaves: each write on the disk before it counts, the journal before what it is about."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostsmith.agent import engine
from hostsmith.agent.held import Held
from hostsmith.agent.journal import Journal
from hostsmith.agent.owed import Owed
from hostsmith.hostkit.app.layout import Layout, Record
from hostsmith.hostkit.linux import filesystem, folders
from hostsmith.resources import Absent, File, Resource, Symlink, Validated
from local_host import LocalHost, tree
from own_resources import Append
from power_cut import Disk


@pytest.fixture
def disk(place: Path, host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Watched from when all is there that a test needs."""
    (place / "changed").write_text("old")
    (place / "gone").write_text("old")
    (place / "pointed").symlink_to("old")
    return Disk(monkeypatch)


@pytest.mark.parametrize(
    "work",
    [
        lambda path: filesystem.write_atomic(f"{path}/changed", b"new", mode=0o644),
        lambda path: filesystem.write_atomic(f"{path}/made", b"", mode=0o644),
        lambda path: filesystem.write_back(f"{path}/changed", b"new", mode=0o644),
        lambda path: filesystem.symlink_atomic("new", f"{path}/pointed"),
        lambda path: filesystem.symlink_atomic("new", f"{path}/made"),
        lambda path: filesystem.remove(f"{path}/gone"),
        lambda path: filesystem.remove(f"{path}/pointed"),
    ],
    ids=["a file", "a new file", "a file put back", "a link", "a new link", "no file", "no link"],
)
def test_what_has_been_written_is_on_the_disk(disk: Disk, place: Path, work: Callable[[Path], None]) -> None:
    before = tree(place)
    work(place)
    assert tree(place) != before
    assert (disk.early, disk.lost) == ([], [])


def test_what_is_written_over_for_want_of_room_is_on_the_disk(
    disk: Disk, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def full(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", full)
    filesystem.write_back(f"{place}/changed", b"newer", mode=0o644)
    assert (place / "changed").read_text() == "newer"
    assert disk.lost == []


def test_a_rename_that_was_synced_by_its_folder_stays(disk: Disk, place: Path) -> None:
    filesystem.move(f"{place}/gone", f"{place}/moved")
    assert disk.lost == ["gone", "moved"], "this alone does not"
    folders.sync(str(place))
    assert disk.lost == []


def test_a_release_knows_its_state_also_after_a_power_cut(disk: Disk, tmp_path: Path) -> None:
    layout = Layout("blog", str(tmp_path))
    (tmp_path / "blog/releases/20261121-101500-x").mkdir(parents=True)
    layout.write_record(Record("20261121-101500-x"))
    layout.mark("20261121-101500-x", "proven")
    assert (disk.early, disk.lost) == ([], [])


def group(place: Path, *after: str) -> Resource:
    members = (
        File(f"{place}/changed", "new"),
        File(f"{place}/made", "new"),
        Symlink(f"{place}/pointed", "new"),
        Absent(f"{place}/gone"),
    )
    return Validated("site", members, list(after) or ["true"], notify=Append(f"{place.parent}/log"))


@pytest.mark.parametrize("after", ["true", "false"])
def test_a_change_is_on_the_disk_and_its_way_back_was_before_it(
    host: LocalHost, disk: Disk, place: Path, tmp_path: Path, after: str
) -> None:
    """That is the journal, for a boot; and what is owed, for the next run."""
    seen = []
    journal, owed = tmp_path / "state/journal.conf", tmp_path / "state/owed.json"

    def look(folder: str, name: str) -> None:
        if folder == str(place):
            seen.append(name)
            assert journal.exists(), name
            assert owed.exists(), name
            assert not {journal.name, owed.name} & set(disk.lost), name

    disk.watch(look)
    assert host.converge(group(place, after)).ok is (after == "true")
    assert set(seen) == {"changed", "made", "pointed", "gone"}
    assert (disk.early, disk.lost) == ([], []), "the journal is gone for good, too"
    assert not journal.exists()


@pytest.mark.parametrize("end", ["confirm", "put_back"])
def test_what_is_held_is_in_the_journal_until_it_is_certain(disk: Disk, place: Path, tmp_path: Path, end: str) -> None:
    held, owed = Held(), Owed(f"{tmp_path}/state")
    path = tmp_path / "state/journal.conf"
    assert engine.converge([group(place)], owed, Journal(str(path)), held)
    assert path.exists()
    seen = []

    def look(folder: str, name: str) -> None:
        seen.append(name)
        if folder == str(place):
            assert path.exists(), f"{name} is about to be put back"

    disk.watch(look)
    if end == "confirm":
        held.confirm(Journal(str(path)))
        assert seen == [path.name]
    else:
        assert engine.roll_back(held, owed, Journal(str(path)))
        assert {"changed", "made", "pointed", "gone", path.name} <= set(seen)
    assert not path.exists()
    assert (disk.early, disk.lost) == ([], [])


def test_what_a_cut_off_run_has_left_is_crossed_out_when_it_is_put_back(
    disk: Disk, place: Path, tmp_path: Path
) -> None:
    before, path = tree(place), tmp_path / "state/journal.conf"
    assert engine.converge([group(place)], Owed(f"{tmp_path}/state"), Journal(str(path)), Held())
    seen: list[str] = []

    def look(folder: str, name: str) -> None:
        seen.append(name)
        if folder == str(place):
            assert path.exists(), f"{name} is about to be put back"

    disk.watch(look)
    Journal(str(path)).recover()
    assert tree(place) == before
    assert {"changed", "made", "pointed", "gone", path.name} <= set(seen)
    assert (disk.early, disk.lost) == ([], [])
