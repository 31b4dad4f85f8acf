"""Safe path walk: folders held open that only root can redirect.

A user who can write to a folder controls what its names lead to, and can change that at any moment. So a path is
followed name by name, each from the descriptor of its parent, and a symbolic link is followed only where nobody but
root could have created it. Below the first folder that another user can change, no link is followed, and nothing
counts as root's again: such a folder may have been moved there.

This is one walk with openat(2), for all kernels. openat2(2) refuses either all links or none, and root's own are
needed: `/srv/<app>/current`, `/var/run`, a `/srv` on another disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ...contract.base import ResourceError

_MOST_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Folder:
    """A folder held open: it stays the same one, whatever happens to its path.

    :param fd: its descriptor, only for `dir_fd` (O_PATH).
    :param path: for people.
    :param changeable: the first folder on the path that another user than root can change; empty: there is none, so
        nobody else can change its content, nor have put it here.
    """

    fd: int
    path: str
    changeable: str

    @property
    def trusted(self) -> bool:
        """Whether only root can change it and the path to it."""
        return not self.changeable

    def require_trusted(self) -> None:
        """Refuse a folder that others than root can change.

        :raises ResourceError: they can.
        """
        if not self.trusted:
            raise ResourceError(
                f"{self.path}: others than root can change {self.changeable}, expected folders that only root can "
                f"change; run `chown root {self.changeable}; chmod go-w {self.changeable}`"
            )

    def status(self, name: str) -> os.stat_result | None:
        """Read the status of an entry, without following a link; None when there is no entry."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int = os.O_RDONLY, mode: int = 0) -> int:
        """Open an entry that is not a link, without waiting for the other end of a FIFO.

        :raises OSError: as open(2); ELOOP for a link.
        """
        safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(name, flags | safe, mode, dir_fd=self.fd)

    @contextlib.contextmanager
    def opened(self, name: str, flags: int = os.O_RDONLY, mode: int = 0) -> Iterator[int]:
        """Open an entry for a `with` block, like `open`."""
        fd = self.open(name, flags, mode)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def readable(self) -> Iterator[int]:
        """For a `with` block, a descriptor to list and sync the folder, or change its owner and mode."""
        with self.opened(".", os.O_RDONLY | os.O_DIRECTORY) as fd:
            yield fd

    def require_theirs(self, name: str, status: os.stat_result) -> None:
        """Refuse an entry of another user that may have been planted here to be given away or read.

        In a trusted folder nobody could. Elsewhere, a hard link may lead to another file, and a folder may have been
        moved into the place of the expected one; a mounted folder cannot be moved.

        :raises ResourceError: it is a folder that neither belongs to this folder's owner nor is mounted by root, or a
            hard link to another user's file.
        """
        if self.trusted:
            return
        here = os.fstat(self.fd)
        foreign = status.st_uid != here.st_uid
        if stat.S_ISDIR(status.st_mode):
            refused = foreign and not (_is_ours(status) and status.st_dev != here.st_dev)
        else:
            refused = status.st_nlink > 1 and (foreign or _is_ours(status))
        if refused:
            raise ResourceError(
                f"{self.path}/{name} is in a folder that others can change, and does not belong to its owner alone; "
                "another user may have put it there. Give it to the folder's owner by hand, or remove it"
            )


@contextlib.contextmanager
def folder(path: str) -> Iterator[Folder]:
    """For a `with` block, hold the folder at a path open.

    :raises ResourceError: the path contains a link that another user than root may have created.
    :raises OSError: it is missing, or not a folder.
    """
    fd, changeable = _walk(path, _names(path))
    try:
        yield Folder(fd, path, changeable)
    finally:
        os.close(fd)


@contextlib.contextmanager
def parent(path: str) -> Iterator[tuple[Folder, str]]:
    """For a `with` block, hold the parent folder of a path open; with the path's last name, which may be missing.

    :raises ResourceError: as `folder`, or the path has no last name.
    :raises OSError: as `folder`.
    """
    above, _, name = path.rstrip("/").rpartition("/")
    if not path.startswith("/") or name in ("", ".", ".."):
        raise ResourceError(f"found {path!r}, expected an absolute path that ends with a name")
    with folder(above or "/") as held:
        yield held, name


@contextlib.contextmanager
def target(path: str) -> Iterator[tuple[Folder, str]]:
    """Like `parent`, but follow the path itself when it is a link of root's in a trusted folder."""
    for _ in range(_MOST_LINKS):
        with parent(path) as (held, name):
            status = held.status(name)
            if status is None or not stat.S_ISLNK(status.st_mode):
                yield held, name
                return
            path = os.path.join(held.path, _followed(held.fd, name, status, held.trusted, path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _names(path: str) -> list[str]:
    if not path.startswith("/"):
        raise ResourceError(f"found {path!r}, expected an absolute path")
    return [name for name in path.split("/") if name not in ("", ".")]


def _walk(path: str, names: list[str]) -> tuple[int, str]:
    """Return a descriptor of the folder at the end, and the first folder on the path that others can change."""
    ahead, links = names[::-1], 0
    fd, here = os.open("/", _FOLDER), "/"
    changeable = ""
    try:
        while ahead:
            name = ahead.pop()
            status = _status(fd, name, path)
            if stat.S_ISLNK(status.st_mode):
                led_to = _followed(fd, name, status, not changeable, path)
                if (links := links + 1) > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if led_to.startswith("/"):
                    fd, here = _replaced(fd, os.open("/", _FOLDER)), "/"
                ahead += _names(f"/{led_to}")[::-1]
                continue
            if name == ".." and changeable:
                raise ResourceError(f"{path}: `..` is not followed below a folder that others than root can change")
            fd, here = _replaced(fd, _opened(fd, name, path)), os.path.normpath(os.path.join(here, name))
            if not changeable and not _keeps(os.fstat(fd)):
                changeable = here
    except BaseException:
        os.close(fd)
        raise
    # Others can add entries to a folder like /tmp, though they cannot replace any.
    return fd, changeable or (here if os.fstat(fd).st_mode & _OTHERS_WRITE else "")


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def _status(fd: int, name: str, path: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _opened(fd: int, name: str, path: str) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _followed(fd: int, name: str, status: os.stat_result, trusting: bool, path: str) -> str:
    """Read a link's target.

    :raises ResourceError: another user than root may have created it.
    """
    # Without root's rights, on the user's own machine, an attacker gains nothing by a link.
    if os.geteuid() == 0 and not (trusting and _is_ours(status)):
        raise ResourceError(
            f"{path}: {name!r} on this path is a symbolic link that another user than root can change; "
            "put the folder itself there, or mount it there (`mount --bind`)"
        )
    return os.readlink(name, dir_fd=fd)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


def _keeps(status: os.stat_result) -> bool:
    """Whether root's entries in a folder stay: others cannot write to it, or only add, as in /tmp."""
    return _is_ours(status) and bool(not status.st_mode & _OTHERS_WRITE or status.st_mode & stat.S_ISVTX)
