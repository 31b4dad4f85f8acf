"""Folders that change hands for a build: given to the user who builds, and taken back, by descriptors alone."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from ...contract.base import ResourceError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opens whatever there is without touching it: no FIFO keeps one waiting, no link is followed.
_ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# Each level takes a descriptor. No code is as deep as this.
_DEEPEST = 100


def give(folder: int, uid: int, gid: int, level: int = 0) -> None:
    """Give a folder of root's to a user, with all that is in it.

    It is given after what is in it: until then its new owner can put nothing else in the place of what is to come.

    :param folder: a descriptor.
    :raises ResourceError: something in it is not root's alone.
    """
    for name, entry, found in _entries(folder, level):
        if stat.S_ISDIR(found.st_mode):
            with _opened(".", FOLDER, entry) as inner:
                give(inner, uid, gid, level + 1)
            continue
        if found.st_uid != 0 or found.st_nlink > 1:
            raise ResourceError(f"{name}: found a file that is somebody else's, too, expected one of root's alone")
        os.chown(_magic(entry), uid, gid)
    os.fchown(folder, uid, gid)


def take_back(folder: int, uid: int, level: int = 0) -> None:
    """Make a folder root's, with all that is in it; nobody else can write there, and all can read.

    It is taken before what is in it, so that from then on nothing in it is exchanged; and it has no mode until all of
    it is root's.

    :raises ResourceError: something in it is somebody else's.
    """
    os.fchown(folder, 0, 0)
    os.fchmod(folder, 0)
    for name, entry, found in _entries(folder, level):
        mode = found.st_mode
        if found.st_uid not in (0, uid) or (found.st_uid == 0 and found.st_nlink > 1 and not stat.S_ISDIR(mode)):
            raise ResourceError(f"{name}: found a file of another user among what was built")
        if stat.S_ISDIR(mode):
            with _opened(".", FOLDER, entry) as inner:
                take_back(inner, uid, level + 1)
        elif not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            # A socket or FIFO of a process that is no more.
            os.unlink(name, dir_fd=folder)
        else:
            os.chown(_magic(entry), 0, 0)
            if stat.S_ISREG(mode):
                # Neither setuid nor, by an access list, another's to write.
                os.chmod(_magic(entry), 0o755 if mode & 0o100 else 0o644)
                _require_closed(name, entry)
    os.fchmod(folder, 0o755)


def is_taken_back(path: str) -> bool:
    """Whether a folder was never given, or is wholly taken back; not when a run was killed in between."""
    found = os.lstat(path)
    return found.st_uid == os.geteuid() and bool(found.st_mode & 0o500)


def _entries(folder: int, level: int) -> Iterator[tuple[str, int, os.stat_result]]:
    if level > _DEEPEST:
        raise ResourceError(f"found folders in each other, more than {_DEEPEST} of them; expected fewer")
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
    """See that nobody has a file open to write to: a descriptor outlives its process when it was passed on.

    :raises ResourceError: somebody has.
    """
    handle = os.open(_magic(entry), os.O_RDONLY | os.O_CLOEXEC)
    try:
        # A lease to read is for a file that nobody writes, mapped into memory or not; see fcntl(2).
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise ResourceError(
                f"{name}: found it open for writing by a process that outlives the build; the build is not used"
            ) from None
        # A file system of another machine's gives none.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def _magic(entry: int) -> str:
    """A path to the very file of a descriptor that is open for nothing: the kernel looks up no name on the way."""
    return f"/proc/self/fd/{entry}"
