"""Files and folders on the host: the one module by which the agent touches paths.

Each is replaced so that a crash leaves the old or the new one, and is reached as `paths` says: on no way that somebody
with fewer rights can change.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ...contract.base import ResourceError
from ...contract.interruption import uninterrupted
from . import paths, space
from .system import run

_MOST_LEVELS = 200


@uninterrupted()
def write_atomic(path: str, data: bytes, *, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between.

    Owner and mode are right before the first byte is written, so that a secret is never readable by others.

    :param mode: permission bits.
    :raises ResourceError: the folder is not there, or it cannot be written.
    """
    with _told(path), paths.parent(path) as (folder, name), _beside(folder, name) as temporary:
        with folder.opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) as handle:
            os.fchown(handle, -1 if uid is None else uid, -1 if gid is None else gid)
            os.fchmod(handle, mode)
            _write_all(handle, data)
        _put(folder, temporary, name)


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
            with paths.parent(path) as (folder, name), folder.opened(name, os.O_RDWR) as handle:
                _require_regular(folder, name, os.fstat(handle))
                os.ftruncate(handle, len(data))
                _write_all(handle, data)
                os.fchown(handle, -1 if uid is None else uid, -1 if gid is None else gid)
                os.fchmod(handle, mode)
        except OSError:
            raise error from None


def _write_all(handle: int, data: bytes) -> None:
    """Write from the beginning of a file, and bring it to the disk."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
    os.fsync(handle)


@uninterrupted()
def symlink_atomic(target: str, path: str) -> None:
    """Point a symlink somewhere with one rename(2): whoever follows it meets the old target or the new one.

    :raises ResourceError: the folder is not there, or something that is not a link or file is in the way.
    """
    with _told(path), paths.parent(path) as (folder, name), _beside(folder, name) as temporary:
        os.symlink(target, temporary, dir_fd=folder.fd)
        _put(folder, temporary, name)


@contextlib.contextmanager
def _beside(folder: paths.Folder, name: str) -> Iterator[str]:
    """A name for what is to take the place of another; nothing of it is left."""
    # Hidden, so that no program that reads a whole folder takes it for a file of its own; cut, so that the name of a
    # file may be as long as the file system allows.
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
def _told(path: str) -> Iterator[None]:
    """For a `with` block that changes a path: what the file system says against it is an error of ours."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{path}: {space.reason(error, os.path.dirname(path))}") from error


def make_folder(path: str, mode: int = 0o755) -> None:
    """Make a folder where there is none, and those above it, which are root's and open.

    :param mode: of the folder itself.
    :raises ResourceError: something else is there, or it cannot be made.
    """
    with _told(path):
        try:
            with paths.folder(path):
                return
        except FileNotFoundError:
            pass
        above = os.path.dirname(path.rstrip("/"))
        if above != "/":
            make_folder(above)
        with paths.parent(path) as (folder, name):
            os.mkdir(name, mode, dir_fd=folder.fd)


def is_folder(path: str) -> bool:
    """Whether there is a folder at a path, or behind a link of root's there.

    :raises ResourceError: somebody else than root could have led the way there elsewhere.
    """
    try:
        with paths.folder(path):
            return True
    except OSError:
        return False


def is_trusted(path: str) -> bool:
    """Whether nobody but root can change what is in a folder, or where the way to it leads; also one to be made."""
    try:
        with paths.folder(path) as folder:
            return folder.trusted
    except FileNotFoundError:
        return is_trusted(os.path.dirname(path))
    except (OSError, ResourceError):
        return False


def names(path: str) -> list[str]:
    """What is in a folder, sorted; nothing where there is none.

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
    """Remove a file or a link, if there is one.

    :raises ResourceError: it is a folder, or cannot be removed.
    """
    with _told(path), contextlib.suppress(FileNotFoundError), paths.parent(path) as (folder, name):
        os.unlink(name, dir_fd=folder.fd)
        with folder.readable() as handle:
            os.fsync(handle)


def remove_tree(path: str) -> None:
    """Remove whatever is at a path, a folder with all that is in it.

    :raises ResourceError: something of it cannot be removed.
    """
    with _told(path), contextlib.suppress(FileNotFoundError), paths.parent(path) as (folder, name):
        _remove_in(folder.fd, name, _MOST_LEVELS)


def _remove_in(folder: int, name: str, levels: int) -> None:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder)
        return
    except OSError as error:
        # What O_NOFOLLOW says of a link, though O_DIRECTORY mostly speaks first.
        if error.errno != errno.ELOOP:
            raise
        os.unlink(name, dir_fd=folder)
        return
    try:
        if not levels:
            raise ResourceError(f"{name}: found folders in more than {_MOST_LEVELS} folders; remove them by hand")
        for entry in os.listdir(handle):
            with contextlib.suppress(FileNotFoundError):
                _remove_in(handle, entry, levels - 1)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=folder)


def link(source: str, path: str) -> None:
    """Give a regular file a second name, which costs no room; where that cannot be, a copy.

    :raises ResourceError: the source is no regular file, or either folder is not root's alone.
    """
    with _told(path), paths.parent(source) as (here, old), paths.parent(path) as (there, new):
        for folder in (here, there):
            _require_trusted(folder)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(old, new, src_dir_fd=here.fd, dst_dir_fd=there.fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                    raise
                write_atomic(path, read(source) or b"", mode=0o644)


def require_trusted(path: str) -> None:
    """See that a folder is root's alone: before root runs what is in it, or has a program work in it.

    :raises ResourceError: another user can change it, or it is not there.
    """
    with _told(path), paths.folder(path) as folder:
        _require_trusted(folder)


def _require_trusted(folder: paths.Folder) -> None:
    if not folder.trusted:
        raise ResourceError(
            f"{folder.path}: {folder.changeable} on the way there can be changed by another user than root, expected "
            f"folders of root's alone; `chown root {folder.changeable}; chmod go-w {folder.changeable}` makes it one"
        )


def move(source: str, path: str) -> None:
    """Give what is at a path another one, in one step.

    :raises ResourceError: the file system does not take it.
    """
    with _told(path), paths.parent(source) as (here, old), paths.parent(path) as (there, new):
        os.replace(old, new, src_dir_fd=here.fd, dst_dir_fd=there.fd)


def sync_folder(folder: str) -> None:
    """Make a rename in this folder survive a power cut."""
    with paths.folder(folder) as held, held.readable() as handle:
        os.fsync(handle)


def sync_tree(folder: str) -> None:
    """Have everything that was written below a folder survive a power cut, whoever wrote it.

    :raises CommandError: the disk does not take it.
    """
    # One syncfs(2), which Python has no name for: git, uv and pip leave what they write to the kernel, for half a
    # minute or so, and to sync file by file would wait for the disk once for each.
    run(["sync", "--file-system", folder])


def copy_tree(source: str, path: str, *, without: str = "") -> None:
    """Copy a folder of root's with all that is in it, links as they are; into an empty folder, or to where is none.

    :param without: a name of files that are left out.
    :raises ResourceError: there is something that cannot be copied, with the first reason.
    """
    for each in (source, os.path.dirname(path)):
        require_trusted(each)
    try:
        shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(without))
    except shutil.Error as error:
        raise ResourceError(str(error.args[0][0][2])) from error


@dataclass(frozen=True)
class Found:
    """What is at a path: itself, and not what it may lead to.

    :param target: of a symbolic link, None for all else.
    """

    status: os.stat_result
    target: str | None = None


def at(path: str) -> Found | None:
    """What is at a path; None when there is nothing.

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
    """A regular file's content, None when there is no such file.

    :raises ResourceError: it is something else, or cannot be read.
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
    """Refuse what is not a file, or what its folder's owner may have linked to one of somebody else's."""
    if not stat.S_ISREG(status.st_mode):
        raise ResourceError(f"{folder.path}/{name} is a {kind(status)}, expected a regular file")
    folder.require_theirs(name, status)


def kind(status: os.stat_result) -> str:
    """What something is, in a word."""
    kinds = {stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(status.st_mode), "regular file" if stat.S_ISREG(status.st_mode) else "device")
