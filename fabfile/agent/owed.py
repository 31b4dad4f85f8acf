"""Owed handlers: stored before the change that owes them, removed after they ran.

The next run on the host runs those that a killed run, a failed resource or a reboot left, whatever it converges.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from ..contract import wire
from ..contract.base import Handler, ResourceError
from ..hostkit.linux import filesystem, folders

FOLDER = "/var/lib/hostsmith"


class Owed:
    """The handlers owed on this host, in the order of their changes.

    A handler whose class is missing in this run, because it belongs to another project, stays stored.
    """

    def __init__(self, folder: str = FOLDER) -> None:
        self.path = f"{folder}/owed.json"
        self.handlers: list[Handler] = []
        self._unknown: list[dict[str, Any]] = []
        text = filesystem.read(self.path)
        for item in json.loads(text) if text else []:
            try:
                self.handlers.append(wire.load_kept(item))
            except ResourceError:
                self._unknown.append(item)

    @property
    def unknown(self) -> list[str]:
        """Classes of the handlers that this run cannot load, as `wire.type_name` returns them."""
        return [item["$type"] for item in self._unknown]

    def add(self, handlers: Iterable[Handler]) -> list[Handler]:
        """Store handlers; each is owed once, however many changes owe it.

        :returns: those that were not owed before.
        """
        new = [handler for handler in dict.fromkeys(handlers) if handler not in self.handlers]
        if new:
            self.handlers += new
            self._save()
        return new

    def remove(self, handlers: Iterable[Handler]) -> None:
        """Remove handlers that ran, or whose change was undone."""
        gone = list(handlers)
        if gone:
            self.handlers = [handler for handler in self.handlers if handler not in gone]
            self._save()

    def _save(self) -> None:
        folders.make(os.path.dirname(self.path))
        text = json.dumps([wire.dump(handler) for handler in self.handlers] + self._unknown)
        filesystem.write_atomic(self.path, text.encode(), mode=0o600)
