"""Immediate backup by a host, like those of its schedule."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...hostkit.app import backup_files
from ...hostkit.linux import filesystem, systemd


@dataclass(frozen=True)
class BackedUp(Resource):
    """A fresh backup of an app's data on this host, in the folder of its schedule."""

    app: str

    def describe(self) -> str:
        return f"backup of {self.app}"

    def check(self) -> Change | None:
        return Change("made", self._make)

    def _make(self) -> None:
        unit = backup_files.unit(self.app)
        if systemd.properties(unit, "LoadState").get("LoadState") != "loaded":
            raise ResourceError(f"{unit} is missing on this host; `fab provision` creates it")
        systemd.systemctl("start", unit)
        folder = json.loads(filesystem.read(plan(self.app)) or b"{}").get("to")
        if folder and (made := backup_files.names(self.app, folder)):
            note(f"backup: {folder}/{made[-1]}")


def plan(app: str) -> str:
    """Return the path of the backup's plan, a file of root's."""
    return f"/etc/hostsmith/backup-{app}.json"
