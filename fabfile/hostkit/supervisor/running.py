"""Running processes of an app: state, uptime, memory and release."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..app.layout import Layout
from . import supervisord


def of_groups(groups: Collection[str]) -> list[dict[str, Any]]:
    """List name, state, pid and uptime in seconds of each process of supervisor groups."""
    return [
        {
            "name": process["name"],
            "state": process["statename"].lower(),
            "pid": process["pid"],
            "uptime": max(0, int(time.time()) - process["start"]) if process["pid"] else 0,
        }
        for process in supervisord.processes()
        if process["group"] in groups
    ]


def of_app(layout: Layout) -> list[dict[str, Any]]:
    """List the processes of all releases of an app, also those that are stopping; with release and bytes of memory."""
    memory = _Memory()
    live = layout.live()
    ids = sorted((record.id for record in layout.records()), key=lambda each: (each != live, each))
    return [
        {**process, "release": each, "live": each == live, "memory": memory.of(process["pid"])}
        for each in ids
        for process in of_groups(layout.groups(each))
    ]


class _Memory:
    """A snapshot of the memory of processes and their children, from the kernel's tables (proc(5))."""

    def __init__(self) -> None:
        self._resident: dict[int, int] = {}
        self._children: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*"):
            # A process may end in the meantime.
            with contextlib.suppress(OSError):
                pid = int(path.name)
                # The name before it, in brackets, may contain any characters.
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                self._resident[pid] = int((path / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                self._children.setdefault(parent, []).append(pid)

    def of(self, pid: int) -> int:
        """Return the bytes of a process and all its children; shared memory counts for each."""
        found, total = [pid] if pid else [], 0
        while found:
            pid = found.pop()
            total += self._resident.pop(pid, 0)
            found += self._children.pop(pid, [])
        return total
