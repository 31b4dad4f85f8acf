"""Changes to the doors of a host, which stay only when the controller can still come in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..contract import proof
from ..contract.base import Change
from .validated import Validated


@dataclass(frozen=True)
class Proven(Validated):
    """A group that could lock us out: made, put into force at once, and kept only when a new connection comes through.

    When none does, or nobody says within a minute that one has, the host puts back what was there and puts that into
    force, by itself. The handlers are what puts the group into force; they run in the group, and again at the end of
    the run, because a handler stays owed until then.
    """

    def check(self) -> Change | None:
        change = super().check()
        return replace(change, undo=lambda: self._put_back(change)) if change else None

    def verify(self) -> None:
        super().verify()
        self._into_force()
        proof.obtain()

    def _put_back(self, change: Change) -> None:
        if change.undo is not None:
            change.undo()
        self._into_force()

    def _into_force(self) -> None:
        for handler in self.handlers():
            handler.run()
