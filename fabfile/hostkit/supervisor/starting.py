"""Watching the processes of a supervisor group while they start: whether all of them come to run, and stay."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from ...contract.base import ResourceError
from . import supervisord
from .supervisor_config import longest

DEAD = frozenset({"BACKOFF", "EXITED", "FATAL", "STOPPED"})
# Seconds that processes may take to start, beyond those that they have to stay up to count as started.
PATIENCE = 60.0
_PAUSE = 0.05


class Starting:
    """The processes of a group from the moment they were started.

    :param config: the file that the group was read from.
    :param names: those that are looked at; None for all of the group.
    """

    def __init__(self, group: str, config: str, names: Collection[str] | None = None) -> None:
        self._group, self._config, self._names = group, config, names
        self._pids: dict[str, int] = {}

    def require_alive(self) -> list[dict[str, Any]]:
        """See that none has ended.

        :returns: what supervisord says of each.
        :raises ResourceError: one has, even if supervisord has started it again since.
        """
        found = self._processes()
        for process in found:
            # supervisord starts one that has ended again at once, so its state alone may not tell.
            again = self._pids.setdefault(process["name"], process["pid"]) != process["pid"]
            if again or process["statename"] in DEAD:
                why = process["spawnerr"] or ("supervisord had to start it again" if again else "")
                why = why or process["description"]
                raise ResourceError(f"process {process['name']} ended while it was starting: {why}")
        return found

    def wait(self, timeout: float = PATIENCE, passes_over: str = "") -> None:
        """Wait until all are running: supervisord says so when one has lived for its startsecs.

        :param timeout: seconds that they may take beyond these.
        :param passes_over: name of one that is found out about in another way.
        :raises ResourceError: one has ended, or the time is up.
        """
        deadline = time.monotonic() + timeout + longest(self._config, "startsecs", 1.0)
        while any(p["statename"] != "RUNNING" for p in self.require_alive() if p["name"] != passes_over):
            if time.monotonic() > deadline:
                raise ResourceError("not all processes were running in time")
            time.sleep(_PAUSE)

    def _processes(self) -> list[dict[str, Any]]:
        found = supervisord.processes(self._group)
        return [process for process in found if self._names is None or process["name"] in self._names]
