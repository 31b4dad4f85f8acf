"""Absence of a path."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.linux import filesystem, folders
from .found import FoundFile, FoundLink, Removed

# A recipe with a wrong variable in a path must not be able to empty a host.
_PROTECTED = frozenset(
    [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/usr/local",
        "/usr/sbin",
        "/usr/share",
        "/var",
        "/var/cache",
        "/var/lib",
        "/var/log",
    ]
)


@dataclass(frozen=True)
class Absent(Resource):
    """A path that does not exist: an existing file, link or whole folder is removed.

    A regular file or a link is restored when its group fails; anything else is not.
    """

    path: str

    def describe(self) -> str:
        return f"absent {self.path}"

    def check(self) -> Change | None:
        # POSIX, and so normpath, keeps two leading slashes.
        path = os.path.normpath(self.path).replace("//", "/")
        if not os.path.isabs(path) or path in _PROTECTED:
            raise ResourceError(f"refused to remove {self.path!r}: expected an absolute path below a system folder")
        there = filesystem.at(path)
        if there is None:
            return None
        if stat.S_ISDIR(there.status.st_mode):
            return Change("removed folder", lambda: folders.remove(path))
        if there.target is not None:
            return Change("removed link", lambda: filesystem.remove(path), Removed(FoundLink(path, there.target)))
        found = FoundFile.take(path) if stat.S_ISREG(there.status.st_mode) else None
        if found is not None:
            return Change("removed file", lambda: filesystem.remove(path), Removed(found))
        # A socket, a pipe or a device is meaningless without the program that created it.
        return Change("removed file", lambda: filesystem.remove(path))
