"""Handlers that are owed: written down before the change that owes them, crossed out after they ran.

What a killed run, a failed resource or a reboot leaves here is run by the next run on the host, whatever it converges.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from ..resources.base import Handler
from . import system, wire

FOLDER = "/var/lib/hostsmith"


class Owed:
    """The handlers owed on this host, in the order in which they came to be owed."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._path = f"{folder}/owed.json"
        text = system.read(self._path)
        self.handlers: list[Handler] = [wire.load(item) for item in json.loads(text)] if text else []

    def add(self, handlers: Iterable[Handler]) -> list[Handler]:
        """Write handlers down; a handler is owed once, however many changes owe it.

        :returns: those that were not owed before.
        """
        new = [handler for handler in dict.fromkeys(handlers) if handler not in self.handlers]
        if new:
            self.handlers += new
            self._save()
        return new

    def remove(self, handlers: Iterable[Handler]) -> None:
        """Cross handlers out: they ran, or the change that owed them was taken back."""
        for handler in handlers:
            self.handlers.remove(handler)
        self._save()

    def _save(self) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
        text = json.dumps([wire.dump(handler) for handler in self.handlers])
        system.write_atomic(self._path, text.encode(), mode=0o600)
