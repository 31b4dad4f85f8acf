"""A symbolic link with a given target."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..agent import filesystem
from .base import Change, Resource, ResourceError
from .found import FoundLink, FoundNothing


@dataclass(frozen=True)
class Symlink(Resource):
    """A symbolic link; an existing link is pointed elsewhere with one rename(2), so that it is never missing.

    :param path: where the link is.
    :param target: what it points to; need not exist.
    """

    path: str
    target: str

    def describe(self) -> str:
        return f"symlink {self.path}"

    def check(self) -> Change | None:
        if not os.path.lexists(self.path):
            return Change(f"created -> {self.target}", self._point, FoundNothing(self.path))
        if not os.path.islink(self.path):
            raise ResourceError(f"{self.path} is there and is not a symlink; remove it, or name another path")
        before = os.readlink(self.path)
        if before == self.target:
            return None
        return Change(f"{before} -> {self.target}", self._point, FoundLink(self.path, before))

    def _point(self) -> None:
        filesystem.symlink_atomic(self.target, self.path)
