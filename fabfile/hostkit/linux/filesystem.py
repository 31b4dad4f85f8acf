"""Atomic changes of files and links on the host.

The agent touches paths only by this module and `folders`. A crash leaves either the old or the new file, and a path is
reached by `paths`, so that no user with fewer rights can redirect it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ...contract.base import ResourceError
from ...contract.interruption import uninterrupted
from . import paths, space


@uninterrupted()
def write_atomic(path: str, data: bytes, *, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Write a file so that a reader, or a crash, sees either the old content or the new one.

    Owner and mode are set before the first byte is written, so that a secret is never readable by others.

    :param mode: permission bits.
    :raises ResourceError: the folder is missing, or it cannot be written.
    """
    with path_errors(path), paths.parent(path) as (folder, name), _beside(folder, name) as temporary:
        with folder.opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) as handle:
            os.fchown(handle, -1 if uid is None else uid, -1 if gid is None else gid)
            os.fchmod(handle, mode)
            _write_all(handle, data)
        _put(folder, temporary, name)


@uninterrupted()
def write_back(path: str, data: bytes, *, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Write a file like `write_atomic`, or overwrite it when the disk has no space for both.

    For writes that must not fail on a full disk, such as an undo.

    :raises ResourceError: like `write_atomic`.
    """
    try:
        write_atomic(path, data, mode=mode, uid=uid, gid=gid)
    except ResourceError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in space.FULL:
            raise
        try:
            with paths.parent(path) as (folder, name), folder.opened(name, os.O_RDWR) as handle:
                _require_regular(folder, name, os.fstat(handle))
                os.ftruncate(handle, len(data))
                _write_all(handle, data)
                os.fchown(handle, -1 if uid is None else uid, -1 if gid is None else gid)
                os.fchmod(handle, mode)
        except OSError:
            raise error from None


def _write_all(handle: int, data: bytes) -> None:
    """Write from the beginning of a file, and flush it to the disk."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
    os.fsync(handle)


@uninterrupted()
def symlink_atomic(target: str, path: str) -> None:
    """Set the target of a symlink with one rename(2), so that a reader sees either the old target or the new one.

    :raises ResourceError: the folder is missing, or the path is neither a link nor a file.
    """
    with path_errors(path), paths.parent(path) as (folder, name), _beside(folder, name) as temporary:
        os.symlink(target, temporary, dir_fd=folder.fd)
        _put(folder, temporary, name)


@contextlib.contextmanager
def _beside(folder: paths.Folder, name: str) -> Iterator[str]:
    """For a `with` block, a name for a replacement; removed at the end."""
    # Hidden, so that programs that read a whole folder ignore it; cut, so that a file's name may have the maximum
    # length.
    temporary = f".{name[:32]}.{os.urandom(6).hex()}.new"
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder.fd)


def _put(folder: paths.Folder, temporary: str, name: str) -> None:
    os.replace(temporary, name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
    with folder.readable() as handle:
        os.fsync(handle)


@contextlib.contextmanager
def path_errors(path: str) -> Iterator[None]:
    """For a `with` block that changes a path, turn an OSError into a ResourceError."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{path}: {space.reason(error, os.path.dirname(path))}") from error


def remove(path: str) -> None:
    """Remove a file or a link, if there is one.

    :raises ResourceError: it is a folder, or cannot be removed.
    """
    with path_errors(path), contextlib.suppress(FileNotFoundError), paths.parent(path) as (folder, name):
        os.unlink(name, dir_fd=folder.fd)
        with folder.readable() as handle:
            os.fsync(handle)


def link(source: str, path: str) -> None:
    """Hard-link a regular file, or copy it where links are not possible.

    :raises ResourceError: the source is not a regular file, or others than root can change a folder.
    """
    with path_errors(path), paths.parent(source) as (here, old), paths.parent(path) as (there, new):
        for folder in (here, there):
            folder.require_trusted()
        with contextlib.suppress(FileExistsError):
            try:
                os.link(old, new, src_dir_fd=here.fd, dst_dir_fd=there.fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                    raise
                write_atomic(path, read(source) or b"", mode=0o644)


def move(source: str, path: str) -> None:
    """Rename a file or folder in one step.

    :raises ResourceError: the file system refuses it.
    """
    with path_errors(path), paths.parent(source) as (here, old), paths.parent(path) as (there, new):
        os.replace(old, new, src_dir_fd=here.fd, dst_dir_fd=there.fd)


@dataclass(frozen=True)
class Found:
    """The entry at a path, without following a link.

    :param target: of a symbolic link; None for other entries.
    """

    status: os.stat_result
    target: str | None = None


def at(path: str) -> Found | None:
    """Read the entry at a path; None when it is missing.

    :raises ResourceError: it cannot be read.
    """
    try:
        with paths.parent(path) as (folder, name):
            status = folder.status(name)
            if status is None:
                return None
            return Found(status, os.readlink(name, dir_fd=folder.fd) if stat.S_ISLNK(status.st_mode) else None)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error


def read(path: str) -> bytes | None:
    """Read a regular file; None when it is missing.

    :raises ResourceError: it is not a regular file, or cannot be read.
    """
    try:
        with paths.target(path) as (folder, name), folder.opened(name) as handle:
            _require_regular(folder, name, os.fstat(handle))
            with open(handle, "rb", closefd=False) as file:
                return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error


def _require_regular(folder: paths.Folder, name: str, status: os.stat_result) -> None:
    """Refuse an entry that is not a regular file, or that may be a planted hard link to another user's file."""
    if not stat.S_ISREG(status.st_mode):
        raise ResourceError(f"{folder.path}/{name} is a {kind(status)}, expected a regular file")
    folder.require_theirs(name, status)


def kind(status: os.stat_result) -> str:
    """Name the kind of an entry."""
    kinds = {stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(status.st_mode), "regular file" if stat.S_ISREG(status.st_mode) else "device")
