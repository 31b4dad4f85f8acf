"""The names that an app takes on a host: free, or the app's already; else nothing is changed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.app import passwords
from ..hostkit.linux import filesystem, system
from .own_user import OwnUser


@dataclass(frozen=True)
class Claimed(Resource):
    """That what an app takes on a host by its name was nobody's before.

    The host keeps a list of what an app has taken. What is not on it must not be there yet; a folder of root may, such
    as a disk is mounted to, if there is nothing in it, or archives of the app.

    :param app: the app.
    :param paths: files, links and folders.
    :param users: users, who have a mark of their own.
    :param within: folders in which root runs what it finds, and which so must be root's alone.
    """

    app: str
    paths: tuple[str, ...]
    users: tuple[OwnUser, ...] = ()
    within: tuple[str, ...] = ()

    def describe(self) -> str:
        return f"names of {self.app}"

    def check(self) -> Change | None:
        for folder in filter(filesystem.is_folder, self.within):
            filesystem.require_trusted(folder)
        for user in self.users:
            user.check()
        known = self._known()
        new = [path for path in self.paths if path not in known]
        if not new:
            return None
        if not known and self._is_of_earlier_version():
            return Change("those that are there adopted", lambda: self._write(new))
        for path in new:
            if not _is_free(path, f"{self.app}-2"):
                raise ResourceError(
                    f"{path} is there, and was not made for the app {self.app}; give the app another name, or move it "
                    "away"
                )
        return Change(f"{len(new)} taken", lambda: self._write([*known, *new]))

    @property
    def _list(self) -> str:
        return f"{passwords.FOLDER}/{self.app}/names.json"

    def _known(self) -> list[str]:
        try:
            found = json.loads(filesystem.read(self._list) or b"[]")
            return [str(path) for path in found]
        except (ValueError, TypeError):
            raise ResourceError(f"{self._list} is not as it was written; remove it, and provision again") from None

    def _is_of_earlier_version(self) -> bool:
        """Whether the app is here already, by the marks of its users or by its passwords."""
        users = any(system.uid(user.name) is not None for user in self.users)
        return users or os.path.exists(passwords.path(self.app))

    def _write(self, paths: list[str]) -> None:
        for folder in (passwords.FOLDER, os.path.dirname(self._list)):
            filesystem.make_folder(folder, 0o700)
        filesystem.write_atomic(self._list, (json.dumps(paths, indent=1) + "\n").encode(), mode=0o600)


def _is_free(path: str, archives: str) -> bool:
    """Whether nothing is at a path, or a folder that is root's, and empty but for what begins as archives do."""
    if not os.path.lexists(path):
        return True
    if not (os.path.isdir(path) and filesystem.is_trusted(path)):
        return False
    return all(name == "lost+found" or name.startswith(archives) for name in filesystem.names(path))
