"""Restart of one process of the live release in place, such as a worker."""

from __future__ import annotations

from dataclasses import dataclass

from ...contract.base import Change, Resource
from ...hostkit.app.layout import Layout
from ...hostkit.supervisor import supervisord
from ...hostkit.supervisor.starting import Starting
from ...hostkit.supervisor.supervisor_config import process_of
from .live import LogMarks


@dataclass(frozen=True)
class Restarted(Resource):
    """All instances of one process of the live release, stopped gracefully and started again.

    :param release: id of the live release.
    :param process: its name in the Procfile.
    """

    app: str
    release: str
    process: str

    def describe(self) -> str:
        return f"restart {self.process}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        found = [each for each in supervisord.processes() if each["group"] in layout.groups(self.release)]
        names = [each["name"] for each in found if process_of(each["name"]) == self.process]
        if not names:
            return None
        (group,) = {each["group"] for each in found if each["name"] in names}
        return Change("started again", lambda: self._restart(layout, group, names))

    def _restart(self, layout: Layout, group: str, names: list[str]) -> None:
        config = layout.groups(self.release)[group]
        supervisord.stop_processes(group, config, names)
        logs = LogMarks(layout, self.release)
        for name in names:
            supervisord.call("startProcess", f"{group}:{name}", False)
        with logs.shown():
            Starting(group, config, names).wait()
