"""Folders on the host, reached without following links of other users."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil

from ...contract.base import ResourceError
from . import paths
from .filesystem import path_errors
from .system import run

_MOST_LEVELS = 200


def make(path: str, mode: int = 0o755) -> None:
    """Create a folder if it is missing, and its parents, which are root's and open.

    :param mode: of the folder itself.
    :raises ResourceError: something else is there, or it cannot be created.
    """
    with path_errors(path):
        try:
            with paths.folder(path):
                return
        except FileNotFoundError:
            pass
        above = os.path.dirname(path.rstrip("/"))
        if above != "/":
            make(above)
        with paths.parent(path) as (folder, name):
            os.mkdir(name, mode, dir_fd=folder.fd)


def exists(path: str) -> bool:
    """Whether there is a folder at a path, or behind a link of root's.

    :raises ResourceError: another user than root could redirect the path.
    """
    try:
        with paths.folder(path):
            return True
    except OSError:
        return False


def is_trusted(path: str) -> bool:
    """Whether only root can change the content of a folder and the path to it; the folder may be missing."""
    try:
        with paths.folder(path) as folder:
            return folder.trusted
    except FileNotFoundError:
        return is_trusted(os.path.dirname(path))
    except (OSError, ResourceError):
        return False


def names(path: str) -> list[str]:
    """List the names in a folder, sorted; none where it is missing.

    :raises ResourceError: it cannot be listed.
    """
    try:
        with paths.folder(path) as folder, folder.readable() as handle:
            return sorted(os.listdir(handle))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error


def remove(path: str) -> None:
    """Remove a folder with its content, or anything else at a path.

    :raises ResourceError: a part of it cannot be removed.
    """
    with path_errors(path), contextlib.suppress(FileNotFoundError), paths.parent(path) as (folder, name):
        _remove_in(folder.fd, name, _MOST_LEVELS)


def _remove_in(folder: int, name: str, levels: int) -> None:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder)
        return
    except OSError as error:
        # The error of O_NOFOLLOW for a link, though that of O_DIRECTORY mostly comes first.
        if error.errno != errno.ELOOP:
            raise
        os.unlink(name, dir_fd=folder)
        return
    try:
        if not levels:
            raise ResourceError(f"{name}: found folders nested more than {_MOST_LEVELS} deep; remove them by hand")
        for entry in os.listdir(handle):
            with contextlib.suppress(FileNotFoundError):
                _remove_in(handle, entry, levels - 1)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=folder)


def require_trusted(path: str) -> None:
    """Refuse a folder that others than root can change, before root runs programs from it or in it.

    :raises ResourceError: another user can change it, or it is missing.
    """
    with path_errors(path), paths.folder(path) as folder:
        folder.require_trusted()


def sync(folder: str) -> None:
    """Flush a folder's entries to the disk, so that a rename survives a power cut."""
    with paths.folder(folder) as held, held.readable() as handle:
        os.fsync(handle)


def sync_tree(folder: str) -> None:
    """Flush the file system below a folder to the disk, whichever program wrote to it.

    :raises CommandError: the disk reports an error.
    """
    # One syncfs(2), for which Python has no name: git, uv and pip leave their writes to the kernel, for half a minute
    # or so, and to sync each file would wait for the disk once for each.
    run(["sync", "--file-system", folder])


def copy(source: str, path: str, *, without: str = "") -> None:
    """Copy a folder of root's with its content, and links unchanged, to an empty or missing folder.

    :param without: a name of files that are left out.
    :raises ResourceError: an entry cannot be copied, with the first reason.
    """
    for each in (source, os.path.dirname(path)):
        require_trusted(each)
    try:
        shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(without))
    except shutil.Error as error:
        raise ResourceError(str(error.args[0][0][2])) from error
