"""Folders that root gives to who builds, and takes back: nothing else is touched, whoever swaps what is in them."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.build import handover
from hostsmith.hostkit.build.builder import Builder
from hostsmith.hostkit.linux import source_file
from hostsmith.hostkit.linux.system import CommandError
from hostsmith.resources import ResourceError

pytestmark = [
    pytest.mark.attack,
    pytest.mark.skipif(os.geteuid() != 0, reason="to give files away takes root"),
]
UID = 65533
FOLDERS, FILES, ROUNDS = 8, 60, 12

# Puts a link in the place of each folder and back, as fast as it can, wherever it may.
SWAPPER = """\
import ctypes, itertools, os, sys
tree, link, folders, uid = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3]), int(sys.argv[4])
os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
libc = ctypes.CDLL(None)
print("ready", flush=True)
for number in itertools.cycle(range(folders)):
    libc.renameat2(-100, f"{tree}/d{number}".encode(), -100, link, 2)
"""


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that nobody but root may touch, with files of the names that are in the tree."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    for number in range(FILES):
        (folder / f"f{number}").touch(0o600)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of root's, in which there are others."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    for number in range(FOLDERS):
        (tmp_path / f"tree/d{number}").mkdir(parents=True)
        for file in range(FILES):
            (tmp_path / f"tree/d{number}/f{file}").touch(0o644)
    return tmp_path / "tree"


@pytest.fixture
def swapper(tree: Path, victim: Path) -> Iterator[None]:
    """Somebody with the builder's user, who swaps for as long as the test takes."""
    own = tree.parent / "own"
    own.mkdir()
    (own / "link").symlink_to(victim)
    os.chown(own, UID, UID)
    argv = [sys.executable, "-I", "-c", SWAPPER, tree, own / "link", str(FOLDERS), str(UID)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, handover.FOLDER)
    yield handle
    os.close(handle)


def owners(folder: Path) -> set[tuple[int, int]]:
    found = [os.lstat(path) for path in (folder, *folder.rglob("*"))]
    return {(each.st_uid, stat.S_IMODE(each.st_mode) & 0o7022) for each in found if not stat.S_ISLNK(each.st_mode)}


def test_what_is_swapped_while_it_is_given_and_taken_back_leads_to_nothing_of_others(
    tree: Path, victim: Path, swapper: None
) -> None:
    for _ in range(ROUNDS):
        deadline = time.monotonic() + 30
        with opened(tree) as handle:
            # What was swapped in before is not root's: that is told, and no more.
            with contextlib.suppress(ResourceError):
                handover.give(handle, UID, UID)
                while not any(path.is_symlink() for path in tree.iterdir()):
                    assert time.monotonic() < deadline
            handover.reclaim(handle, UID)
        assert owners(victim) == {(0, 0)}
        assert {os.lstat(path).st_mode for path in victim.iterdir()} == {stat.S_IFREG | 0o600}
        assert owners(tree) == {(0, 0)}


def test_a_folder_is_given_after_what_is_in_it(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    given = os.fchown

    def fchown(handle: int, uid: int, gid: int) -> None:
        order.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        given(handle, uid, gid)

    monkeypatch.setattr(os, "fchown", fchown)
    with opened(tree) as handle:
        handover.give(handle, UID, UID)
        assert order[-1] == "tree"
        handover.reclaim(handle, UID)


def test_a_hard_link_to_a_file_of_another_is_neither_given_nor_taken(tree: Path, victim: Path) -> None:
    os.link(victim / "f0", tree / "d0/linked")
    with opened(tree) as handle:
        with pytest.raises(ResourceError, match="another user shares"):
            handover.give(handle, UID, UID)
        with pytest.raises(ResourceError, match="another user"):
            handover.reclaim(handle, UID)
    assert (victim / "f0").stat().st_uid == 0
    assert stat.S_IMODE((victim / "f0").stat().st_mode) == 0o600


def test_neither_pipes_nor_setuid_nor_access_lists_nor_depth_stay_behind(tree: Path) -> None:
    with opened(tree) as handle:
        handover.give(handle, UID, UID)
        os.mkfifo(tree / "d0/pipe")
        for path, mode in ((tree / "d0/pipe", 0o666), (tree / "d1/f0", 0o6777), (tree / "d2", 0o1777)):
            os.chown(path, UID, UID)
            path.chmod(mode)
        (tree / "d3/f0").unlink()
        (tree / "d3/f0").symlink_to("/etc/passwd")
        handover.reclaim(handle, UID)
        assert not (tree / "d0/pipe").exists()
        assert owners(tree) == {(0, 0)}
        deep = tree / "/".join(["d4"] * 150)
        deep.mkdir(parents=True)
        with pytest.raises(ResourceError, match="folders nested"):
            handover.reclaim(handle, UID)
    assert os.stat("/etc/passwd").st_uid == 0


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_a_file_that_a_process_has_open_to_write_is_not_taken_for_roots(tree: Path, how: str) -> None:
    path = tree / "inner" / "held"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 4096)
    handle = os.open(tree, handover.FOLDER)
    handover.give(handle, UID, UID)
    # As a process of the app's has it, that a build has passed a descriptor to.
    held = os.open(path, os.O_RDWR)
    mapped = mmap.mmap(held, 4096) if how == "mapped" else None
    if mapped:
        os.close(held)
    with pytest.raises(ResourceError, match="held: a process that outlives the build has it open for writing"):
        handover.reclaim(handle, UID)
    mapped.close() if mapped else os.close(held)
    handover.reclaim(handle, UID)
    os.close(handle)
    assert path.stat().st_uid == 0


def test_who_builds_goes_to_a_folder_by_their_own_rights(tmp_path: Path) -> None:
    # Root may go there, and nobody else past what is above.
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "text").write_text("secret")
    builder = Builder("nobody")
    with pytest.raises(CommandError, match="can't cd to"):
        builder.run(["cat", "text"], cwd=str(tmp_path / "inner"))
    assert builder.run(["pwd"], cwd="/usr").stdout == b"/usr\n"


def test_what_is_swapped_while_root_reads_it_of_a_build_is_not_what_is_read(tree: Path, victim: Path) -> None:
    (victim / "f0").write_bytes(b"secret")
    (tree / "d0/f0").write_bytes(b"theirs")
    (tree.parent / "code").mkdir()
    code = tree.parent / "code"
    tree.rename(code / "tree")
    link = code / "tree" / "link"
    link.symlink_to(victim)
    for path in (code, code / "tree"):
        os.chown(path, UID, UID)
    argv = [sys.executable, "-c", SWAPPER, str(code / "tree"), str(link), "1", str(UID)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        assert swapper.stdout.readline() == b"ready\n"
        found = set()
        limit = time.monotonic() + 30
        # Both are met, or nothing was tried.
        while time.monotonic() < limit and not {b"theirs", b"refused"} <= found:
            for _ in range(200):
                try:
                    found.add(source_file.read(str(code), "tree/d0/f0"))
                except ResourceError:
                    found.add(b"refused")
        swapper.kill()
    assert {b"theirs", b"refused"} <= found
    assert b"secret" not in found
