"""Watch over the processes of a supervisor group during their start."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from ...contract.base import ResourceError
from . import supervisord
from .supervisor_config import longest

DEAD = frozenset({"BACKOFF", "EXITED", "FATAL", "STOPPED"})
# Seconds that processes may take to start, beyond their startsecs.
PATIENCE = 60.0
_PAUSE = 0.05


class Starting:
    """The processes of a group that was just started.

    :param config: the group's configuration file.
    :param names: processes to watch; None for all of the group.
    """

    def __init__(self, group: str, config: str, names: Collection[str] | None = None) -> None:
        self._group, self._config, self._names = group, config, names
        self._pids: dict[str, int] = {}

    def require_alive(self) -> list[dict[str, Any]]:
        """Fail when a process has ended.

        :returns: supervisord's information on each process.
        :raises ResourceError: one has ended, even if supervisord has started it again.
        """
        found = self._processes()
        for process in found:
            # supervisord restarts an ended process at once, so its state alone is not enough.
            again = self._pids.setdefault(process["name"], process["pid"]) != process["pid"]
            if again or process["statename"] in DEAD:
                why = process["spawnerr"] or ("supervisord had to start it again" if again else "")
                why = why or process["description"]
                raise ResourceError(f"process {process['name']} ended while it was starting: {why}")
        return found

    def wait(self, timeout: float = PATIENCE, skip: str = "") -> None:
        """Wait until all are running: for supervisord, after their startsecs.

        :param timeout: limit in seconds, beyond startsecs.
        :param skip: name of a process that is checked in another way.
        :raises ResourceError: a process has ended, or the time is up.
        """
        deadline = time.monotonic() + timeout + longest(self._config, "startsecs", 1.0)
        while any(p["statename"] != "RUNNING" for p in self.require_alive() if p["name"] != skip):
            if time.monotonic() > deadline:
                raise ResourceError("not all processes were running in time")
            time.sleep(_PAUSE)

    def _processes(self) -> list[dict[str, Any]]:
        found = supervisord.processes(self._group)
        return [process for process in found if self._names is None or process["name"] in self._names]
