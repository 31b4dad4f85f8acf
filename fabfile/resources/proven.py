"""Changes of a host's access, kept only while the controller can still log in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..contract import proof
from ..contract.base import Change
from .validated import Validated


@dataclass(frozen=True)
class Proven(Validated):
    """A group that could lock the controller out: applied at once, and kept only if a new connection succeeds.

    If none does, or the controller does not confirm one within a minute, the host rolls back by itself. The handlers
    make the group effective; they run in the group, and again at the end of the run, because a handler stays owed
    until then.
    """

    def check(self) -> Change | None:
        change = super().check()
        return replace(change, undo=lambda: self._put_back(change)) if change else None

    def verify(self) -> None:
        super().verify()
        self._make_effective()
        proof.obtain()

    def _put_back(self, change: Change) -> None:
        if change.undo is not None:
            change.undo()
        self._make_effective()

    def _make_effective(self) -> None:
        for handler in self.handlers():
            handler.run()
