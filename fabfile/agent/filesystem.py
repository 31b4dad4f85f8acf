"""Files on the host: read whole, replaced so that a crash leaves the old or the new one, and brought to the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from ..resources.base import ResourceError
from . import space
from .system import run, uninterrupted


@uninterrupted()
def write_atomic(path: str, data: bytes, *, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between.

    Owner and mode are right before the first byte is written, so that a secret is never readable by others.

    :param mode: permission bits.
    :raises ResourceError: the folder is not there, or it cannot be written.
    """
    import tempfile

    folder = os.path.dirname(path)
    with _told(path):
        # Hidden, so that no program that reads a whole folder takes it for a file of its own; cut, so that the name
        # of a file may be as long as the file system allows.
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)[:32]}.", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchown(handle, -1 if uid is None else uid, -1 if gid is None else gid)
                os.fchmod(handle, mode)
                file.write(data)
                file.flush()
                os.fsync(handle)
            os.replace(temporary, path)
            sync_folder(folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


@uninterrupted()
def write_back(path: str, data: bytes, *, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Write a file as `write_atomic` does, or over what is there when the disk has no room for both.

    For what must not fail for want of room, such as an undo: a file that is overwritten takes no more of it.

    :raises ResourceError: as `write_atomic`.
    """
    try:
        write_atomic(path, data, mode=mode, uid=uid, gid=gid)
    except ResourceError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in space.FULL:
            raise
        try:
            with open(path, "r+b") as file:
                file.write(data)
                file.truncate()
                file.flush()
                os.fchown(file.fileno(), -1 if uid is None else uid, -1 if gid is None else gid)
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
        except OSError:
            raise error from None


@uninterrupted()
def symlink_atomic(target: str, path: str) -> None:
    """Point a symlink somewhere with one rename(2): whoever follows it meets the old target or the new one.

    :raises ResourceError: the folder is not there, or something that is not a link or file is in the way.
    """
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name[:32]}.{os.getpid()}.new"
    with _told(path):
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            os.symlink(target, temporary)
            os.replace(temporary, path)
            sync_folder(folder)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """For a `with` block that replaces a path: what the file system says against it is an error of ours."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{path}: {space.reason(error, os.path.dirname(path))}") from error


def sync_folder(folder: str) -> None:
    """Make a rename in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: str) -> None:
    """Have everything that was written below a folder survive a power cut, whoever wrote it.

    :raises CommandError: the disk does not take it.
    """
    # One syncfs(2), which Python has no name for: git, uv and pip leave what they write to the kernel, for half a
    # minute or so, and to sync file by file would wait for the disk once for each.
    run(["sync", "--file-system", folder])


def copy_tree(source: str, path: str, *, without: str = "") -> None:
    """Copy a folder with all that is in it, links as they are; into an empty folder, or to where there is none.

    :param without: a name of files that are left out.
    :raises ResourceError: there is something that cannot be copied, with the first reason.
    """
    try:
        shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(without))
    except shutil.Error as error:
        raise ResourceError(str(error.args[0][0][2])) from error


def read(path: str) -> bytes | None:
    """A file's content, None when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
