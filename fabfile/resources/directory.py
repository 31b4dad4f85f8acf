"""A folder with given owner and mode."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ..agent import acl, system
from .base import Change, Resource, ResourceError
from .ownership import differences, set_owner


@dataclass(frozen=True)
class Directory(Resource):
    """A folder; missing parents are made, as root's and with mode 0755.

    :param path: absolute path.
    :param mode: permission bits; None keeps those of the folder that is there, or 0755 for a new one.
    :param owner: user; None keeps the one that is there, or root.
    :param group: group; None keeps the one that is there, or root.
    :param passable: users who may pass through it, by an access list, though neither read it nor write in it; wants
        a mode. Empty: an access list that is there stays.
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
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            missing = _missing(self.path)
            stands_on = os.path.dirname(missing[0]) if missing else self.path
            if not os.path.isdir(stands_on or "."):
                raise ResourceError(
                    f"{stands_on} is there and is not a folder; remove it, or name another path"
                ) from None
            return Change("created", lambda: self._create(missing), lambda: _remove(missing))
        if not stat.S_ISDIR(status.st_mode):
            raise ResourceError(f"{self.path} is not a folder; remove it, or name another path")
        reasons = differences(status, self.mode, self.owner, self.group)
        before = acl.read(self.path)
        if self.passable and before != self._acl():
            reasons.append(f"passable for {', '.join(self.passable)}")
        if not reasons:
            return None

        def undo() -> None:
            os.chown(self.path, status.st_uid, status.st_gid)
            os.chmod(self.path, stat.S_IMODE(status.st_mode))
            if self.passable:
                acl.write(self.path, before)

        return Change(", ".join(reasons), self._own, undo)

    def _create(self, missing: list[str]) -> None:
        for folder in missing:
            os.mkdir(folder, 0o700)
            if folder != missing[-1]:
                os.chmod(folder, 0o755)
        self._own()
        if self.mode is None:
            os.chmod(self.path, 0o755)

    def _own(self) -> None:
        set_owner(self.path, self.owner, self.group)
        if self.mode is not None:
            os.chmod(self.path, self.mode)
        if self.passable:
            acl.write(self.path, self._acl())

    def _acl(self) -> bytes:
        if self.mode is None:
            raise ResourceError(f"{self.path}: found no mode, expected one beside `passable`")
        return acl.passable(self.mode, [system.passwd(user).pw_uid for user in self.passable])


def _missing(path: str) -> list[str]:
    """The folders to make for a path, outermost first."""
    missing = []
    path = path.rstrip("/")
    while path and not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def _remove(made: list[str]) -> None:
    for folder in reversed(made):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            # Something else has put a file there since: not ours to delete.
            return
