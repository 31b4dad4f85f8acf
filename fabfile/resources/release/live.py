"""Live release of an app: started beside the previous one, checked, and switched to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ...contract import redact
from ...contract.base import Change, PutBack, Resource, ResourceError
from ...contract.interruption import uninterrupted
from ...hostkit.app.draining import drain
from ...hostkit.app.health import HealthCheck
from ...hostkit.app.layout import SINGLETONS_CONF, Layout
from ...hostkit.linux import filesystem, folders
from ...hostkit.supervisor import supervisord
from ...hostkit.supervisor.starting import DEAD, PATIENCE, Starting

# The cause of a crash at import is at the top of the log, followed by the same from each other worker; that of a later
# crash is at the end.
_FIRST_LINES, _LAST_LINES = 40, 20
_LOG_BYTES = 200_000


@dataclass(frozen=True)
class Live(Resource):
    """The live release of an app.

    The previous release serves until the new one is healthy. The switch is one rename(2) of the `current` symlink,
    through which nginx finds the socket and supervisord, at boot, its programs. The previous release keeps running
    until `Settled` stops it, so that going back is another rename.

    :param release: id of the release.
    :param health: its health check; None on a host that runs no web process.
    :param port: port of nginx for the check after the switch; None on a host without nginx.
    :param drain_timeout: seconds that requests get to finish when this release is rolled back.
    """

    app: str
    release: str
    health: HealthCheck | None
    port: int | None
    drain_timeout: float

    def describe(self) -> str:
        return f"live release {self.release}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        live = layout.live()
        if live == self.release and self._is_running(layout, live):
            return None
        go_back = GoBack(self, live)
        return Change(
            f"{live or 'none'} -> {self.release}" if live != self.release else "started again",
            lambda: self._activate(layout),
            go_back,
            confirm=lambda: layout.mark(self.release, "proven"),
            durable=(go_back,),
        )

    def _is_running(self, layout: Layout, release: str) -> bool:
        processes = supervisord.processes(layout.group(release))
        return bool(processes) and not any(process["statename"] in DEAD for process in processes)

    def _activate(self, layout: Layout) -> None:
        if not os.path.exists(f"{layout.release(self.release)}/venv/bin/python"):
            raise ResourceError(f"release {self.release} is incomplete: its virtualenv is missing; deploy it again")
        # A power cut after the switch must not lose code or files of the release.
        folders.sync_tree(layout.release(self.release))
        logs = LogMarks(layout, self.release)
        try:
            with logs.shown():
                self._start(layout, self.release)
                self._wait_until_healthy(layout, self.release)
                with uninterrupted():
                    self._switch(layout)
        except BaseException as error:
            self._mark_failed(layout, error)
            raise

    def _start(self, layout: Layout, release: str) -> None:
        """Start a release's processes beside the live ones."""
        filesystem.symlink_atomic(f"{layout.release(release)}/supervisor.conf", layout.candidate_config)
        try:
            supervisord.start_group(layout.group(release))
        finally:
            # supervisord has read it; a reboot must not start a release that is not live.
            filesystem.remove(layout.candidate_config)

    def _wait_until_healthy(self, layout: Layout, release: str) -> None:
        starting = Starting(layout.group(release), layout.config(release))
        if self.health is not None:
            socket = layout.socket(release)
            if problem := self.health.wait(lambda: self.health_problem(socket), starting.require_alive):
                raise ResourceError(f"not healthy within {self.health.timeout:g} s: {problem}")
            # The answer must be from a process that supervisord started and will stop, not from a detached child.
            starting.require_alive()
        starting.wait(self.health.timeout if self.health else PATIENCE, skip="web")

    def health_problem(self, socket: str) -> str | None:
        """Check the health of the release on a socket; None when it is healthy."""
        return self.health.ask_socket(socket, self.app) if self.health else None

    def _switch(self, layout: Layout) -> None:
        """Make the release live and check it through nginx, like a visitor; the caller's undo reverts it."""
        if not os.path.islink(layout.boot_config):
            # Before the first release is live it is dangling, and supervisord ignores it.
            filesystem.symlink_atomic(f"{layout.current}/supervisor.conf", layout.boot_config)
        if os.path.exists(layout.singletons_config(self.release)) and not os.path.islink(layout.singletons_boot_config):
            filesystem.symlink_atomic(f"{layout.current}/{SINGLETONS_CONF}", layout.singletons_boot_config)
        filesystem.symlink_atomic(f"releases/{self.release}", layout.current)
        if self.health is not None and self.port is not None:
            # Without its own site, another app's would answer.
            if not os.path.exists(f"/etc/nginx/sites-enabled/{self.app}"):
                raise ResourceError(f"nginx has no site {self.app} on this host; run `fab provision`")
            problem = self.health.ask_port(self.port)
            if problem:
                raise ResourceError(f"healthy on its own socket, but not through nginx: {problem}")

    def go_back(self, old: str | None) -> None:
        """Switch back to the previous release, and stop this one.

        :param old: id of the previous release; None when there was none.
        """
        layout = Layout(self.app)
        filesystem.remove(layout.candidate_config)
        if old == self.release:
            return
        if layout.live() == self.release:
            if old is None:
                for path in (layout.current, layout.boot_config, layout.singletons_boot_config):
                    filesystem.remove(path)
            else:
                self._revive(layout, old)
                filesystem.symlink_atomic(f"releases/{old}", layout.current)
                drain(layout.socket(self.release), self.drain_timeout)
        supervisord.stop_groups(layout.groups(self.release))
        if layout.record(self.release).state == "building":
            with contextlib.suppress(ResourceError):
                layout.mark(self.release, "failed", "rolled back before it was confirmed")

    def _revive(self, layout: Layout, old: str) -> None:
        """Make sure that the previous release, which was never stopped, is healthy.

        :raises ResourceError: it is not, so this release, which is healthy, stays live.
        """
        if self._is_running(layout, old) and self.health_problem(layout.socket(old)) is None:
            return
        try:
            self._start(layout, old)
            self._wait_until_healthy(layout, old)
        except ResourceError as error:
            raise ResourceError(f"{self.release} stays live, since {old} is unhealthy now: {error}") from error

    def _mark_failed(self, layout: Layout, error: BaseException) -> None:
        """Mark the release as failed, unless it was proven before: the reason may be the host."""
        if layout.record(self.release).state != "proven":
            reason = str(error).splitlines()[0] if str(error) else "interrupted"
            # A full disk must not hide the error.
            with contextlib.suppress(ResourceError):
                layout.mark(self.release, "failed", redact.text(reason))


@dataclass(frozen=True)
class GoBack(PutBack):
    """The switch back to the previous release; at boot, when nothing is running yet, that is only the symlink.

    :param old: id of that release; None when there was none.
    """

    live: Live
    old: str | None

    def describe(self) -> str:
        return self.live.describe()

    def __call__(self) -> None:
        self.live.go_back(self.old)

    def at_boot(self) -> list[str]:
        layout = Layout(self.live.app)
        switch = f"L+! {layout.current} - - - - releases/{self.old}" if self.old else f"r! {layout.current}"
        return [switch, f"r! {layout.candidate_config}"]


class LogMarks:
    """Positions in a release's logs before its start, to show what it has logged since."""

    def __init__(self, layout: Layout, release: str) -> None:
        self._folder, self._suffix = layout.logs, f"-{release}.log"
        self._sizes = {path: os.path.getsize(path) for path in self._paths()}

    def _paths(self) -> list[str]:
        names = folders.names(self._folder)
        return [f"{self._folder}/{name}" for name in names if name.endswith(self._suffix)]

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """For a `with` block, add what was logged since to errors."""
        try:
            yield
        except ResourceError as error:
            raise ResourceError(f"{error}{self._since()}") from error

    def _since(self) -> str:
        text = ""
        for path in self._paths():
            with open(path, "rb") as file:
                file.seek(self._sizes.get(path, 0))
                lines = file.read(_LOG_BYTES).decode("utf-8", "replace").strip().splitlines()
            if lines:
                name = os.path.basename(path).removesuffix(self._suffix)
                text += f"\nlog of {name}:\n" + "\n".join(_shortened(lines))
        return text


def _shortened(lines: list[str]) -> list[str]:
    """Return only the first and last lines when there are many."""
    left_out = len(lines) - _FIRST_LINES - _LAST_LINES
    if left_out <= 0:
        return lines
    return [*lines[:_FIRST_LINES], f"... ({left_out} lines) ...", *lines[-_LAST_LINES:]]
