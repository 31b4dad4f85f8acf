"""Changes that are held: made, but put back unless the controller confirms them."""

from __future__ import annotations

import time

from ..contract import events
from ..contract.base import Change, Handler, Resource
from ..contract.undo import Undo
from .journal import Journal


class Held:
    """What was changed since the last confirmation, the latest last.

    A fleet switches host by host, and a host that has switched must be able to go back when another one fails, or when
    nobody is there any more to say that none did.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[Resource, Change]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def register(self, resource: Resource, change: Change) -> None:
        """Remember a change; to be called before it is made, so that no crash falls between the two."""
        self._changes.append((resource, change))

    def forget_last(self) -> None:
        """The latest change has been put back already."""
        self._changes.pop()

    def confirm(self, journal: Journal) -> None:
        """Keep all of it."""
        journal.remove([step for _, change in self._changes for step in change.durable])
        while self._changes:
            _, change = self._changes.pop()
            change.confirm()

    def put_back(self, journal: Journal) -> tuple[bool, list[Handler]]:
        """Take all of it back, the latest first, with an event for each.

        :returns: whether something could not be put back, and the handlers that are owed for what was.
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
            _say(resource, error, time.monotonic() - start)
        return failed, handlers


def _say(resource: Resource, error: str, seconds: float) -> None:
    outcome = {"state": "failed", "error": error} if error else {"state": "reverted", "summary": "put back"}
    events.emit("result", index=0, resource=resource.describe(), seconds=round(seconds, 4), **outcome)
