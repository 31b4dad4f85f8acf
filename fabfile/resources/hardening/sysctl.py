"""Kernel parameters, now and after a boot."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...hostkit.linux import filesystem
from ..file import File

_ROOT = "/proc/sys"


@dataclass(frozen=True)
class Sysctl(Resource):
    """A file of sysctl.d(5) and its values. A note lists those that cannot be set, as in a container.

    :param path: the file.
    :param values: by name such as "net.ipv4.tcp_syncookies"; a `*` in it matches every network interface.
    """

    path: str
    values: dict[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        return f"sysctl {self.path}"

    def check(self) -> Change | None:
        text = "".join(f"{name} = {value}\n" for name, value in self.values.items())
        file = File(self.path, f"# Written by hostsmith.\n{text}", mode=0o644).check()
        before = self._different()
        if file is None and not before:
            return None
        summary = ", ".join([*([file.summary] if file else []), *([f"{len(before)} values set"] if before else [])])

        def apply() -> None:
            if file:
                file.apply()
                self._note_locked()
            for path in before:
                _write(path, self._wanted()[path])

        def undo() -> None:
            if file and file.undo:
                file.undo()
            for path, value in before.items():
                _write(path, value)

        return Change(summary, apply, undo, file.diff if file else "")

    def _wanted(self) -> dict[str, str]:
        """Return the kernel's files with the desired values."""
        found = {}
        for name, value in self.values.items():
            for path in glob.glob(f"{_ROOT}/{name.replace('.', '/')}"):
                found[path] = value
        return found

    def _different(self) -> dict[str, str]:
        """Return the writable files with another value, and that value."""
        wanted = self._wanted()
        now = {path: (filesystem.read(path) or b"").decode().strip() for path in wanted}
        return {path: now[path] for path in wanted if now[path] != wanted[path] and os.access(path, os.W_OK)}

    def _note_locked(self) -> None:
        wanted = self._wanted()
        locked = [path for path, value in wanted.items() if (filesystem.read(path) or b"").decode().strip() != value]
        if locked := [path for path in locked if not os.access(path, os.W_OK)]:
            names = ", ".join(path.removeprefix(f"{_ROOT}/").replace("/", ".") for path in locked)
            note(f"unchanged, since the host shares its kernel with others: {names}")


def _write(path: str, value: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be set to {value}: {error.strerror}") from error
