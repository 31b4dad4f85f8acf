"""Virtualenv with the packages of requirement files."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..contract.base import Change, Resource
from ..hostkit.build import virtualenv
from ..hostkit.linux import filesystem, folders


@dataclass(frozen=True)
class Virtualenv(Resource):
    """A virtualenv, rebuilt from scratch when its interpreter or its requirements change.

    It belongs to root, in a folder that only root can change.

    :param path: of the virtualenv.
    :param requirements: absolute paths of requirement files on the host.
    :param packages: names of packages that are installed unless a requirement brought them.
    :param python: name or path of the interpreter.
    :param timeout: limit in seconds for each command of pip.
    """

    path: str
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    python: str = "python3"
    timeout: int = 1800

    def describe(self) -> str:
        return f"virtualenv {self.path}"

    def check(self) -> Change | None:
        # Root builds it and runs its programs, so nobody else may write there.
        if os.path.isdir(os.path.dirname(self.path)):
            folders.require_trusted(os.path.dirname(self.path))
        key = virtualenv.fingerprint(self.python, self.requirements, self.packages, local_key=self.path)
        if virtualenv.complete(self.path, key):
            return None
        aside = f"{self.path}.before"
        had_one = os.path.isdir(self.path)
        # After a killed build, the new virtualenv is incomplete, and the previous one is still aside.
        cut_off = os.path.isdir(aside) and not virtualenv.whole(self.path)
        moved = cut_off

        def apply() -> None:
            nonlocal moved
            if had_one and not cut_off:
                folders.remove(aside)
                moved = True
                filesystem.move(self.path, aside)
            virtualenv.build(self.path, key, self._fill)
            folders.remove(aside)

        def undo() -> None:
            if moved and os.path.isdir(aside):
                folders.remove(self.path)
                filesystem.move(aside, self.path)
            elif not had_one:
                folders.remove(self.path)

        return Change("rebuilt" if had_one else "built", apply, undo)

    def _fill(self) -> None:
        virtualenv.by_pip(self.path, self.python, self.requirements, self.packages, self.timeout)
