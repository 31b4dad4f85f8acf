"""A path that must not be there."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass

from ..agent import system
from .base import Change, Resource, ResourceError

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
        "/var",
    ]
)


@dataclass(frozen=True)
class Absent(Resource):
    """Nothing at a path: a file, a link or a whole folder that is there goes.

    A file or link is put back when the group it stands in does not hold; a folder is not.
    """

    path: str

    def describe(self) -> str:
        return f"absent {self.path}"

    def check(self) -> Change | None:
        path = os.path.normpath(self.path)
        if not os.path.isabs(path) or path in _PROTECTED:
            raise ResourceError(f"refused to remove {self.path!r}: expected an absolute path below a system folder")
        if not os.path.lexists(path):
            return None
        kind = "folder" if stat.S_ISDIR(os.lstat(path).st_mode) else "link" if os.path.islink(path) else "file"
        if kind == "folder":
            return Change("removed folder", lambda: shutil.rmtree(path))
        return self._file_change(path, kind)

    def _file_change(self, path: str, kind: str) -> Change:
        status = os.lstat(path)
        target = os.readlink(path) if kind == "link" else None
        content = (system.read(path) or b"") if stat.S_ISREG(status.st_mode) else b""

        def undo() -> None:
            if os.path.lexists(path):
                return
            if target is not None:
                os.symlink(target, path)
                return
            mode = stat.S_IMODE(status.st_mode)
            system.write_atomic(path, content, mode=mode, uid=status.st_uid, gid=status.st_gid)

        return Change(f"removed {kind}", lambda: os.unlink(path), undo)
