"""Folder with given owner and mode."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.linux import acl, filesystem, folders, paths, system
from .ownership import differences, set_owner


@dataclass(frozen=True)
class Directory(Resource):
    """A folder; missing parents are created, owned by root and with mode 0755.

    In a folder that another user can change, it must belong to that user, who may have put it there.

    :param path: absolute path.
    :param mode: permission bits; None keeps those of an existing folder, or 0755 for a new one.
    :param owner: user; None keeps the existing one, or root.
    :param group: group; None keeps the existing one, or root.
    :param passable: users who may pass through it, by an access list, but neither read it nor write in it; requires
        a mode. Empty: an existing access list stays.
    """

    path: str
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    passable: tuple[str, ...] = ()

    def describe(self) -> str:
        return f"directory {self.path}"

    def check(self) -> Change | None:
        try:
            with paths.folder(self.path) as folder, folder.readable() as handle:
                return self._difference(handle)
        except (FileNotFoundError, NotADirectoryError):
            missing = _missing(self.path)
            for path in missing:
                if filesystem.at(path) is not None:
                    raise ResourceError(f"{path} is not a folder; remove it, or name another path") from None
            return Change("created", lambda: self._create(missing), lambda: _remove(missing))

    def _difference(self, handle: int) -> Change | None:
        status = os.fstat(handle)
        reasons = differences(status, self.mode, self.owner, self.group)
        before = acl.read(handle)
        if self.passable and before != self._acl():
            reasons.append(f"passable for {', '.join(self.passable)}")
        if not reasons:
            return None

        def undo() -> None:
            with self._opened() as found:
                if os.path.samestat(os.fstat(found), status):
                    os.fchown(found, status.st_uid, status.st_gid)
                    os.fchmod(found, stat.S_IMODE(status.st_mode))
                    if self.passable:
                        acl.write(found, before, self.path)

        return Change(", ".join(reasons), self._own, undo)

    def _create(self, missing: list[str]) -> None:
        for path in missing:
            with paths.parent(path) as (folder, name):
                os.mkdir(name, 0o700, dir_fd=folder.fd)
                with folder.opened(name, os.O_RDONLY | os.O_DIRECTORY) as made:
                    # A user who can change the parent may have replaced it with another folder of root's.
                    if os.fstat(made).st_uid != os.geteuid() or os.listdir(made):
                        raise ResourceError(f"{path} was replaced while it was being created; run it again")
                    if path != missing[-1] or self.mode is None:
                        os.fchmod(made, 0o755)
                    if path == missing[-1]:
                        self._set(made)

    def _own(self) -> None:
        with self._opened() as handle:
            self._set(handle)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """For a `with` block, open the folder, which may be behind a link of root's.

        :raises ResourceError: it belongs to another user, and must not be given away.
        """
        with paths.target(self.path) as (folder, name), folder.opened(name, os.O_RDONLY | os.O_DIRECTORY) as handle:
            folder.require_theirs(name, os.fstat(handle))
            yield handle

    def _set(self, handle: int) -> None:
        set_owner(handle, self.owner, self.group)
        if self.mode is not None:
            os.fchmod(handle, self.mode)
        if self.passable:
            acl.write(handle, self._acl(), self.path)

    def _acl(self) -> bytes:
        if self.mode is None:
            raise ResourceError(f"{self.path}: the mode is missing; `passable` requires one")
        return acl.passable(self.mode, [system.passwd(user).pw_uid for user in self.passable])


def _missing(path: str) -> list[str]:
    """List the folders to create for a path, outermost first."""
    missing = []
    path = path.rstrip("/")
    while path and not folders.exists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def _remove(made: list[str]) -> None:
    for path in reversed(made):
        try:
            with paths.parent(path) as (folder, name):
                os.rmdir(name, dir_fd=folder.fd)
        except FileNotFoundError:
            continue
        except OSError:
            # Another program has put a file there since: keep it.
            return
