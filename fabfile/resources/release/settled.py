"""Settling of a release: the previous one is drained and stopped."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...contract.interruption import uninterrupted
from ...hostkit.app.draining import drain
from ...hostkit.app.layout import Layout
from ...hostkit.supervisor import supervisord


@dataclass(frozen=True)
class Settled(Resource):
    """The live release as the only running one: the others of the app are stopped.

    It is live and proven, so no error here fails a deploy.

    :param release: id of the live release.
    :param old: id of the previous release; None when there was none.
    :param drain_timeout: seconds that the previous release's requests get to finish.
    :param retire: reason to mark the previous release bad, as in a rollback; None: it stays proven.
    """

    app: str
    release: str
    old: str | None
    drain_timeout: float
    retire: str | None = None

    def describe(self) -> str:
        return f"only {self.release} runs"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        others = self._others(layout)
        if not others and not self._retires():
            return None
        summary = f"stopped {', '.join(others)}" if others else f"{self.old} marked bad"
        return Change(summary, lambda: self._settle(layout))

    def _retires(self) -> bool:
        return self.retire is not None and self.old is not None and self.old != self.release

    def _others(self, layout: Layout) -> list[str]:
        running = {process["group"] for process in supervisord.processes()}
        ids = [record.id for record in layout.records()]
        return [name for name in ids if name != self.release and not running.isdisjoint(layout.groups(name))]

    @uninterrupted()
    def _settle(self, layout: Layout) -> None:
        try:
            if self.old is not None and self.old != self.release:
                if self.retire is not None:
                    layout.mark(self.old, "bad", self.retire)
                left = drain(layout.socket(self.old), self.drain_timeout)
                if left:
                    note(f"{left} connections to {self.old} were still open after {self.drain_timeout:g} s")
            groups = [layout.groups(name).items() for name in self._others(layout)]
            supervisord.stop_groups(dict(itertools.chain(*groups)))
        except (ResourceError, OSError) as error:
            note(f"{self.release} is live, but the previous release could not be retired: {error}")
