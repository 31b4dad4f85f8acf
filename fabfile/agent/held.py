"""Held changes: rolled back unless the controller confirms them."""

from __future__ import annotations

import time

from ..contract import events
from ..contract.base import Change, Handler, Resource
from ..contract.undo import Undo
from .journal import Journal


class Held:
    """The changes since the last confirmation, the latest last.

    A fleet switches host by host, and a host that has switched must roll back when another one fails, or when the
    controller is lost.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[Resource, Change]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def register(self, resource: Resource, change: Change) -> None:
        """Register a change; must be called before it is made, so that no crash falls between the two."""
        self._changes.append((resource, change))

    def forget_last(self) -> None:
        """Remove the latest change, which is undone already."""
        self._changes.pop()

    def confirm(self, journal: Journal) -> None:
        """Keep all changes."""
        journal.remove([step for _, change in self._changes for step in change.durable])
        while self._changes:
            _, change = self._changes.pop()
            change.confirm()

    def roll_back(self, journal: Journal) -> tuple[bool, list[Handler]]:
        """Undo all changes, the latest first, with an event for each.

        :returns: whether an undo failed, and the handlers that are owed for the others.
        """
        failed = False
        handlers: list[Handler] = []
        while self._changes:
            resource, change = self._changes[-1]
            start = time.monotonic()
            undo = Undo()
            undo.register(change.undo)
            error = undo.failures()
            journal.remove(change.durable)
            self._changes.pop()
            failed = failed or bool(error)
            handlers += resource.handlers()
            _report(resource, error, time.monotonic() - start)
        return failed, handlers


def _report(resource: Resource, error: str, seconds: float) -> None:
    outcome = {"state": "failed", "error": error} if error else {"state": "reverted", "summary": "rolled back"}
    events.emit("result", index=0, resource=resource.describe(), seconds=round(seconds, 4), **outcome)
