"""Release command, run once before a release goes live, with a record of migrations."""

from __future__ import annotations

from dataclasses import dataclass

from ...contract.base import Change, Resource
from ...contract.events import note
from ...hostkit.app import migrations
from ...hostkit.app.layout import Layout
from ...hostkit.app.migrations import Migrations
from ...hostkit.linux import system


@dataclass(frozen=True)
class ReleaseCommand(Resource):
    """A release's `release` process, run as the app's user; the release records the migrations that it applied.

    :param timeout: seconds after which it is stopped, and counts as failed.
    :param label: its name for reports.
    """

    app: str
    release: str
    timeout: float
    label: str

    def describe(self) -> str:
        return f"command {self.label}"

    def check(self) -> Change | None:
        return Change("ran", self._run)

    def _run(self) -> None:
        layout = Layout(self.app)
        before = self._applied(layout)
        try:
            argv = [f"{layout.release(self.release)}/start", "release"]
            system.run(argv, user=self.app, timeout=self.timeout, label=self.label, keep=system.its_end)
        except system.CommandError:
            # What it did before it failed stays done.
            self._remember(layout, before, "the command failed; applied before that, and not undone")
            raise
        self._remember(layout, before, "applied")

    def _remember(self, layout: Layout, before: tuple[str, ...] | None, words: str) -> None:
        after = self._applied(layout)
        if before is None or after is None:
            return
        found = Migrations(before, after)
        migrations.write(layout, self.release, found)
        if found.applied:
            note(f"migrations: {words}: {', '.join(found.applied)}")

    def _applied(self, layout: Layout) -> tuple[str, ...] | None:
        """List the applied migrations; None when they cannot be listed, which does not stop the command."""
        if not migrations.can_list(layout, self.release):
            return None
        try:
            return migrations.applied(layout, self.release, self.timeout)
        except system.CommandError as error:
            note(f"cannot list the migrations that the release applies: {str(error).splitlines()[-1]}")
            return None
