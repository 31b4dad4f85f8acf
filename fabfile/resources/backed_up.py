"""A backup that a host makes now, the way it makes those of its schedule."""

from __future__ import annotations

from dataclasses import dataclass

from ..agent import stored, systemd
from ..agent.events import note
from .base import Change, Resource, ResourceError


@dataclass(frozen=True)
class BackedUp(Resource):
    """A fresh backup of what an app has on this host, in the folder of its schedule.

    :param folder: that folder, to say where the backup is.
    """

    app: str
    folder: str

    def describe(self) -> str:
        return f"backup of {self.app}"

    def check(self) -> Change | None:
        return Change("made", self._make)

    def _make(self) -> None:
        unit = stored.unit(self.app)
        if systemd.properties(unit, "LoadState").get("LoadState") != "loaded":
            raise ResourceError(f"{unit} is not on this host; `fab provision` makes it")
        systemd.systemctl("start", unit)
        if made := stored.names(self.app, self.folder):
            note(f"backup: {self.folder}/{made[-1]}")
