"""Names that an app claims on a host."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.app import passwords
from ..hostkit.linux import filesystem, folders, system
from .own_user import OwnUser


@dataclass(frozen=True)
class Claimed(Resource):
    """Paths and users that an app claims by its name, and that were free or its own before; else nothing changes.

    The host keeps a list of an app's claims. A path that is not on it must not exist, unless it is a folder of root's,
    such as a mount point, that is empty or contains archives of the app.

    :param app: the app.
    :param paths: files, links and folders.
    :param users: users, who are marked separately.
    :param within: folders from which root runs programs, and which only root may change.
    """

    app: str
    paths: tuple[str, ...]
    users: tuple[OwnUser, ...] = ()
    within: tuple[str, ...] = ()

    def describe(self) -> str:
        return f"names of {self.app}"

    def check(self) -> Change | None:
        for folder in filter(folders.exists, self.within):
            folders.require_trusted(folder)
        for user in self.users:
            user.check()
        known = self._known()
        new = [path for path in self.paths if path not in known]
        if not new:
            return None
        if not known and self._is_of_earlier_version():
            return Change("adopted existing names", lambda: self._write(new))
        for path in new:
            if not _is_free(path, f"{self.app}-2"):
                raise ResourceError(
                    f"{path} exists and was not created for the app {self.app}; give the app another name, or move it "
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
            raise ResourceError(f"{self._list} is damaged; remove it, and provision again") from None

    def _is_of_earlier_version(self) -> bool:
        """Whether an earlier version provisioned the app, by its users or its passwords."""
        users = any(system.uid(user.name) is not None for user in self.users)
        return users or os.path.exists(passwords.path(self.app))

    def _write(self, paths: list[str]) -> None:
        for folder in (passwords.FOLDER, os.path.dirname(self._list)):
            folders.make(folder, 0o700)
        filesystem.write_atomic(self._list, (json.dumps(paths, indent=1) + "\n").encode(), mode=0o600)


def _is_free(path: str, archives: str) -> bool:
    """Whether a path is missing, or a folder of root's that is empty except for archives."""
    if not os.path.lexists(path):
        return True
    if not (os.path.isdir(path) and folders.is_trusted(path)):
        return False
    return all(name == "lost+found" or name.startswith(archives) for name in folders.names(path))
