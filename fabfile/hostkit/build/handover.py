"""Ownership of build folders: handed to the build user and reclaimed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator

from ...contract.base import ResourceError
from ..linux import acl, paths

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opens any kind of entry without touching it: no FIFO blocks, no link is followed.
_ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# Each level takes a descriptor. No real source tree is this deep.
_DEEPEST = 100
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_USER = 0x02


def give(folder: int, uid: int, gid: int, level: int = 0) -> None:
    """Give a folder of root's and all its content to a user.

    The content goes first: until the folder follows, its new owner cannot replace an entry that is still to come.

    :param folder: a descriptor.
    :raises ResourceError: an entry is not owned by root alone.
    """
    for name, entry, found in _entries(folder, level):
        if stat.S_ISDIR(found.st_mode):
            with _opened(".", FOLDER, entry) as inner:
                give(inner, uid, gid, level + 1)
            continue
        if found.st_uid != 0 or found.st_nlink > 1:
            raise ResourceError(f"{name}: found a file that another user shares, expected one that only root owns")
        os.chown(_magic(entry), uid, gid)
    os.fchown(folder, uid, gid)


def reclaim(folder: int, uid: int, level: int = 0) -> None:
    """Return a folder and all its content to root: nobody else can write there, and all can read.

    The folder goes first, so that no entry is replaced from then on. It has no permissions until all of it is root's.

    :raises ResourceError: an entry belongs to a third user.
    """
    os.fchown(folder, 0, 0)
    os.fchmod(folder, 0)
    for name, entry, found in _entries(folder, level):
        mode = found.st_mode
        if found.st_uid not in (0, uid) or (found.st_uid == 0 and found.st_nlink > 1 and not stat.S_ISDIR(mode)):
            raise ResourceError(f"{name}: found a file of another user among what was built")
        if stat.S_ISDIR(mode):
            with _opened(".", FOLDER, entry) as inner:
                reclaim(inner, uid, level + 1)
        elif not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            # A socket or FIFO of a process that has ended.
            os.unlink(name, dir_fd=folder)
        else:
            os.chown(_magic(entry), 0, 0)
            if stat.S_ISREG(mode):
                # Removes setuid, and write access by an access list.
                os.chmod(_magic(entry), 0o755 if mode & 0o100 else 0o644)
                _require_closed(name, entry)
    os.fchmod(folder, 0o755)


def is_reclaimed(path: str) -> bool:
    """Whether a folder belongs to root entirely: false when a run was killed before it was reclaimed."""
    found = os.lstat(path)
    return found.st_uid == os.geteuid() and bool(found.st_mode & 0o500)


def _entries(folder: int, level: int) -> Iterator[tuple[str, int, os.stat_result]]:
    if level > _DEEPEST:
        raise ResourceError(f"found folders nested more than {_DEEPEST} deep, expected fewer levels")
    for name in os.listdir(folder):
        with _opened(name, _ENTRY, folder) as entry:
            yield name, entry, os.fstat(entry)


@contextlib.contextmanager
def _opened(name: str, flags: int, folder: int) -> Iterator[int]:
    handle = os.open(name, flags, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def _require_closed(name: str, entry: int) -> None:
    """Refuse a file that is open for writing: a descriptor that was passed on outlives its process.

    :raises ResourceError: a process has it open.
    """
    handle = os.open(_magic(entry), os.O_RDONLY | os.O_CLOEXEC)
    try:
        # The kernel grants a read lease only on a file that nobody writes, mapped into memory or not; see fcntl(2).
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise ResourceError(
                f"{name}: a process that outlives the build has it open for writing; the build is not used"
            ) from None
        # A network file system grants none.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def _magic(entry: int) -> str:
    """Return a path to the file of an O_PATH descriptor; the kernel looks up no name on it."""
    return f"/proc/self/fd/{entry}"


@contextlib.contextmanager
def passable(folder: str, uid: int) -> Iterator[None]:
    """For a `with` block, let a user pass through a folder without reading it.

    By the access list, not by the app's group, which could read the app's environment and data.
    """
    with paths.folder(folder) as held, held.readable() as handle:
        entries = [entry for entry in _acl_entries(handle) if entry[::2] != (_ACL_USER, uid)]
        acl.write(handle, _packed([*entries, (_ACL_USER, 1, uid)]), folder)
        try:
            yield
        finally:
            acl.write(handle, _packed(entries), folder)


def _acl_entries(folder: int) -> list[tuple[int, int, int]]:
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    found = acl.read(folder) or acl.passable(mode, [])
    return [_ACL_ENTRY.unpack_from(found, at) for at in range(4, len(found), _ACL_ENTRY.size)]


def _packed(entries: list[tuple[int, int, int]]) -> bytes:
    # In the kernel's order: by kind, users by id.
    found = sorted(entries, key=lambda entry: (entry[0], entry[2]))
    return struct.pack("<I", 2) + b"".join(_ACL_ENTRY.pack(*entry) for entry in found)
