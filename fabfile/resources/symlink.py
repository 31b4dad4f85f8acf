"""Symbolic link with a given target."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.linux import filesystem
from .found import FoundLink, FoundNothing


@dataclass(frozen=True)
class Symlink(Resource):
    """A symbolic link; an existing one is replaced with one rename(2), so that it is never missing.

    :param path: of the link.
    :param target: its target, which need not exist.
    """

    path: str
    target: str

    def describe(self) -> str:
        return f"symlink {self.path}"

    def check(self) -> Change | None:
        found = filesystem.at(self.path)
        if found is None:
            return Change(f"created -> {self.target}", self._point, FoundNothing(self.path))
        if found.target is None:
            raise ResourceError(f"{self.path} exists and is not a symlink; remove it, or name another path")
        if found.target == self.target:
            return None
        return Change(f"{found.target} -> {self.target}", self._point, FoundLink(self.path, found.target))

    def _point(self) -> None:
        filesystem.symlink_atomic(self.target, self.path)
