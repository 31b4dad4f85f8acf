"""Singletons of the live release, started after those of earlier releases have ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.interruption import uninterrupted
from ...hostkit.app.layout import Layout
from ...hostkit.linux import filesystem
from ...hostkit.supervisor import supervisord
from ...hostkit.supervisor.starting import Starting
from ...hostkit.supervisor.supervisor_config import programs
from .live import LogMarks


@dataclass(frozen=True)
class SingletonsEnded(Resource):
    """The singletons of all earlier releases, stopped gracefully.

    :param release: id of the live release.
    """

    app: str
    release: str

    def describe(self) -> str:
        return "singletons of earlier releases"

    def check(self) -> Change | None:
        groups = others(Layout(self.app), self.release)
        return Change("stopped", lambda: self._stop(groups)) if groups else None

    @uninterrupted()
    def _stop(self, groups: Mapping[str, str]) -> None:
        supervisord.stop_groups(groups)


@dataclass(frozen=True)
class Singletons(Resource):
    """The running singletons of the live release; for use after all others have ended on all hosts.

    :param release: id of the live release.
    """

    app: str
    release: str

    def describe(self) -> str:
        return f"singletons of {self.release}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        group = layout.singletons(self.release)
        if not os.path.exists(layout.singletons_config(self.release)):
            return None
        found = supervisord.processes(group)
        if found and all(process["statename"] in ("RUNNING", "STARTING") for process in found):
            return None
        return Change("started", lambda: self._start(layout, group))

    def _start(self, layout: Layout, group: str) -> None:
        if running := others(layout, self.release):
            raise ResourceError(f"{', '.join(running)} are still running, expected none of these singletons")
        logs = LogMarks(layout, self.release)
        supervisord.start_group(group)
        with logs.shown():
            Starting(group, layout.singletons_config(self.release)).wait()


def others(layout: Layout, release: str) -> dict[str, str]:
    """List the groups of other releases' singletons that supervisord still has, each with its file."""
    known = {process["group"] for process in supervisord.processes()}
    ids = [record.id for record in layout.records()]
    groups = {layout.singletons(each): layout.singletons_config(each) for each in ids if each != release}
    return {group: config for group, config in groups.items() if group in known}


def problem(layout: Layout, release: str) -> str | None:
    """Describe what is wrong with the singletons of the live release, besides the states of their processes."""
    text = (filesystem.read(layout.singletons_config(release)) or b"").decode()
    if not programs(text) or supervisord.processes(layout.singletons(release)):
        return None
    if running := others(layout, release):
        return f"{', '.join(running)} are still running instead of the live release's; the next deploy stops them"
    return "the singletons of the live release are not running; `fab restart` starts them"
