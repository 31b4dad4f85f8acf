"""Handlers that are owed: written down before the change that owes them, crossed out after they ran.

What a killed run, a failed resource or a reboot leaves here is run by the next run on the host, whatever it converges.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from ..contract import wire
from ..contract.base import Handler, ResourceError
from ..hostkit.linux import filesystem

FOLDER = "/var/lib/hostsmith"


class Owed:
    """The handlers owed on this host, in the order in which they came to be owed.

    A handler whose class this run does not bring, because it is another project's own, stays written down.
    """

    def __init__(self, folder: str = FOLDER) -> None:
        self.path = f"{folder}/owed.json"
        self.handlers: list[Handler] = []
        self._unknown: list[dict[str, Any]] = []
        text = filesystem.read(self.path)
        for item in json.loads(text) if text else []:
            try:
                self.handlers.append(wire.load(item))
            except ResourceError:
                self._unknown.append(item)

    @property
    def unknown(self) -> list[str]:
        """Classes of the handlers that this run cannot load, as `wire.type_name` gives them."""
        return [item["$type"] for item in self._unknown]

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
        gone = list(handlers)
        if gone:
            self.handlers = [handler for handler in self.handlers if handler not in gone]
            self._save()

    def _save(self) -> None:
        filesystem.make_folder(os.path.dirname(self.path))
        text = json.dumps([wire.dump(handler) for handler in self.handlers] + self._unknown)
        filesystem.write_atomic(self.path, text.encode(), mode=0o600)
