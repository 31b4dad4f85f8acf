"""Paths that another user can change: whatever they do, root gives away, changes and reads nothing of somebody else."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.linux import filesystem, folders, paths
from hostsmith.resources import Absent, Directory, File, Resource, ResourceError, Symlink
from local_host import LocalHost, tree

pytestmark = [
    pytest.mark.attack,
    pytest.mark.skipif(os.getuid() != 0, reason="only root has something to give away"),
]

THEM = pwd.getpwnam("nobody")
# Rounds of root's against an attacker who does nothing but exchange; some 0.1 ms each.
_ROUNDS = 300
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@pytest.fixture
def theirs(place: Path) -> Path:
    """A folder of another user's, with a folder and a file in it."""
    folder = place / "theirs"
    (folder / "data").mkdir(parents=True)
    (folder / "file").write_text("theirs")
    for path in (folder, folder / "data", folder / "file"):
        os.chown(path, THEM.pw_uid, THEM.pw_gid)
    return folder


@pytest.fixture
def victim(place: Path) -> Iterator[Path]:
    """What is root's, and stays as it is."""
    folder = place / "victim"
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text("secret")
    (folder / "secret").chmod(0o600)
    (folder / "below").mkdir()
    before = state(folder)
    yield folder
    assert state(folder) == before


def state(folder: Path) -> dict[str, object]:
    """All that somebody could have changed of a folder and what is in it."""
    entries = [folder, *folder.rglob("*")]
    return {str(each): (each.lstat().st_uid, each.lstat().st_gid, each.lstat().st_mode) for each in entries} | tree(
        folder
    )


RESOURCES: dict[str, Callable[[str], Resource]] = {
    "directory": lambda path: Directory(path, mode=0o755, owner="nobody"),
    "directory-below": lambda path: Directory(f"{path}/below", mode=0o777, owner="nobody"),
    "directory-created": lambda path: Directory(f"{path}/new", mode=0o777, owner="nobody"),
    "directory-passable": lambda path: Directory(path, mode=0o711, passable=("nobody",)),
    "file": lambda path: File(f"{path}/secret", "mine", mode=0o666, owner="nobody"),
    "file-created": lambda path: File(f"{path}/new", "mine"),
    "symlink": lambda path: Symlink(f"{path}/secret-link", "/"),
    "absent": lambda path: Absent(f"{path}/secret"),
    "absent-folder": lambda path: Absent(f"{path}/below"),
}


@pytest.mark.parametrize("name", RESOURCES)
def test_a_link_in_place_of_a_folder_of_theirs_is_refused(
    host: LocalHost, theirs: Path, victim: Path, name: str
) -> None:
    (theirs / "data").rmdir()
    (theirs / "data").symlink_to(victim)
    for run in (host.plan, host.converge, host.undo):
        outcome = run(RESOURCES[name](f"{theirs}/data"))
        assert "symbolic link that another user than root can change" in outcome.error
        assert "secret" not in outcome.diff


@pytest.mark.parametrize("name", ["directory", "directory-passable"])
def test_a_folder_of_roots_that_was_moved_there_is_not_given_away(
    host: LocalHost, theirs: Path, name: str, place: Path
) -> None:
    (theirs / "data").rmdir()
    # Such as lost+found, which whoever owns the folder above may rename.
    (theirs / "data").mkdir(mode=0o700)
    outcome = host.converge(RESOURCES[name](f"{theirs}/data"))
    assert "does not belong to its owner alone" in outcome.error
    status = (theirs / "data").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o700)


def test_a_hard_link_to_a_file_of_roots_is_neither_read_nor_changed(
    host: LocalHost, theirs: Path, victim: Path
) -> None:
    os.link(victim / "secret", theirs / "data" / "secret")
    outcome = host.converge(File(f"{theirs}/data/secret", "mine", mode=0o644, owner="nobody"))
    assert "does not belong to its owner alone" in outcome.error
    assert "secret" not in outcome.diff
    with pytest.raises(ResourceError, match="does not belong to its owner alone"):
        filesystem.read(f"{theirs}/data/secret")


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_is_refused_without_waiting_for_it(host: LocalHost, theirs: Path, kind: str) -> None:
    path = theirs / "special"
    mode = {"pipe": stat.S_IFIFO, "socket": stat.S_IFSOCK, "device": stat.S_IFCHR}[kind] | 0o666
    os.mknod(path, mode, os.makedev(1, 5))
    assert f"is a {kind}, expected a regular file" in host.converge(File(str(path), "mine")).error
    with pytest.raises(ResourceError):
        filesystem.read(str(path))
    with pytest.raises(ResourceError):
        folders.names(f"{path}/x")
    folders.remove(str(path))
    assert not os.path.lexists(path)


def test_a_file_of_roots_in_a_folder_of_a_users_is_kept_up(host: LocalHost, theirs: Path) -> None:
    # As /etc/postgresql/15/main/conf.d is postgres' own.
    text = File(f"{theirs}/data/ours.conf", "text", owner="root", mode=0o644)
    assert [host.converge(text).states, host.converge(text).states] == [["changed"], ["ok"]]


def test_what_is_theirs_is_made_and_changed_as_before(host: LocalHost, theirs: Path) -> None:
    made = Directory(f"{theirs}/new/deeper", mode=0o750, owner="nobody")
    assert host.converge(made).states == ["changed"]
    assert host.converge(made).states == ["ok"]
    assert (theirs / "new/deeper").stat().st_uid == THEM.pw_uid
    assert host.converge(Directory(f"{theirs}/data", mode=0o711)).summary == "mode 0755 -> 0711"
    text = File(f"{theirs}/data/file", "text", owner="nobody", mode=0o600)
    assert [host.converge(text).states, host.converge(text).states] == [["changed"], ["ok"]]
    assert host.converge(Absent(f"{theirs}/data")).states == ["changed"]


def test_what_makes_a_folder_another_users_is_named(place: Path) -> None:
    (place / "srv/app/venvs").mkdir(parents=True)
    (place / "srv").chmod(0o775)
    with pytest.raises(ResourceError, match=f"others than root can change {place}/srv,.*chmod go-w"):
        folders.require_trusted(f"{place}/srv/app/venvs")


def test_links_of_roots_in_folders_of_roots_are_followed(host: LocalHost, place: Path) -> None:
    (place / "disk").mkdir()
    (place / "srv").symlink_to("disk")
    (place / "disk/app").symlink_to(f"{place}/disk/app-1")
    (place / "disk/app-1").mkdir()
    host.converge(File(f"{place}/srv/app/file", "text"), Directory(f"{place}/srv/app/../other"))
    assert (place / "disk/app-1/file").read_text() == "text"
    assert (place / "disk/other").is_dir()
    (place / "link").symlink_to("srv/app/file")
    assert filesystem.read(f"{place}/link") == b"text"


def test_a_link_that_another_user_made_in_a_folder_such_as_tmp_is_not_followed(place: Path, victim: Path) -> None:
    shared = place / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "mine").symlink_to(victim)
    (shared / "theirs").symlink_to(victim)
    os.lchown(shared / "theirs", THEM.pw_uid, THEM.pw_gid)
    assert folders.names(f"{shared}/mine") == ["below", "secret"]
    with pytest.raises(ResourceError, match="another user than root"):
        folders.names(f"{shared}/theirs")
    os.link(victim / "secret", shared / "hard")
    with pytest.raises(ResourceError, match="does not belong to its owner alone"):
        filesystem.read(f"{shared}/hard")
    os.unlink(shared / "hard")


def test_links_that_lead_round_and_folders_without_end_are_errors(place: Path, theirs: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)), paths.folder(f"{place}/a"):
        pass
    with pytest.raises(ResourceError, match="levels of symbolic links"):
        filesystem.read(f"{place}/a")
    folder = os.open(theirs, os.O_PATH)
    for _ in range(300):
        os.mkdir("x", dir_fd=folder)
        deeper = os.open("x", os.O_PATH, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(folder)
    with pytest.raises(ResourceError, match="remove them by hand"):
        folders.remove(f"{theirs}/x")


@contextlib.contextmanager
def exchanging(folder: Path, one: str, other: str) -> Iterator[None]:
    """An attacker who exchanges two names of a folder of theirs, as fast as the kernel lets them."""
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.setgid(THEM.pw_gid)
        os.setuid(THEM.pw_uid)
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            for _ in range(1000):
                libc.renameat2(_AT_FDCWD, one.encode(), _AT_FDCWD, other.encode(), _RENAME_EXCHANGE)
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("name", RESOURCES)
def test_whoever_exchanges_their_folder_with_a_link_all_the_time_wins_nothing(
    theirs: Path, victim: Path, name: str
) -> None:
    (theirs / "trap").symlink_to(victim)
    (theirs / "data/secret").write_text("theirs")
    os.chown(theirs / "data/secret", THEM.pw_uid, THEM.pw_gid)
    resource, done, refused = RESOURCES[name](f"{theirs}/data"), 0, 0
    with exchanging(theirs, "data", "trap"):
        for rounds in range(100 * _ROUNDS):
            if rounds >= _ROUNDS and done and refused:
                break
            try:
                change = resource.check()
                if change is not None:
                    assert "-secret" not in change.diff
                    change.apply()
                    if change.undo is not None:
                        change.undo()
                done += 1
            except (ResourceError, OSError):
                refused += 1
    # Both were met, or nothing was tried.
    assert done
    assert refused


def test_what_is_removed_as_a_whole_leads_nowhere_else(theirs: Path, victim: Path) -> None:
    (theirs / "trap").symlink_to(victim)
    with exchanging(theirs, "data", "trap"):
        for _ in range(_ROUNDS):
            with contextlib.suppress(ResourceError):
                folders.remove(f"{theirs}/data/below")
            with contextlib.suppress(ResourceError):
                assert filesystem.read(f"{theirs}/data/secret") != b"secret"
            with contextlib.suppress(ResourceError):
                assert "secret" not in folders.names(f"{theirs}/data")
