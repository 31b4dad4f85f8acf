"""Which release of an app is live: started beside the old one, found healthy, and switched to."""

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
from ...hostkit.linux import filesystem
from ...hostkit.supervisor import supervisord
from ...hostkit.supervisor.starting import DEAD, PATIENCE, Starting

# The cause of a crash at import stands at the top of what was logged, with the same of each other worker below it;
# that of a crash later on stands at the end.
_FIRST_LINES, _LAST_LINES = 40, 20
_LOG_BYTES = 200_000


@dataclass(frozen=True)
class Live(Resource):
    """The live release of an app.

    The old release serves, untouched, until the new one has answered its health page. The switch is one rename(2) of
    the `current` symlink, through which nginx finds the socket and supervisord, at boot, its programs. The old
    release goes on running until `Settled` stops it, so that going back is another rename.

    :param release: id of the release.
    :param health: how to ask it whether it is well; None on a host that runs no web process.
    :param port: port of nginx to verify through after the switch; None when there is no nginx on the host.
    :param drain_timeout: seconds that the requests of a release that is put back may take.
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
        if live == self.release and self._well(layout, live):
            return None
        go_back = GoBack(self, live)
        return Change(
            f"{live or 'none'} -> {self.release}" if live != self.release else "started again",
            lambda: self._activate(layout),
            go_back,
            confirm=lambda: layout.mark(self.release, "proven"),
            durable=(go_back,),
        )

    def _well(self, layout: Layout, release: str) -> bool:
        processes = supervisord.processes(layout.group(release))
        return bool(processes) and not any(process["statename"] in DEAD for process in processes)

    def _activate(self, layout: Layout) -> None:
        if not os.path.exists(f"{layout.release(self.release)}/venv/bin/python"):
            raise ResourceError(f"release {self.release} is not whole: its virtualenv is gone; deploy it again")
        # Neither its code nor what was made of it may be lost to a power cut after the switch is on the disk.
        filesystem.sync_tree(layout.release(self.release))
        logs = LogMarks(layout, self.release)
        try:
            with logs.told():
                self._start(layout, self.release)
                self._wait_until_well(layout, self.release)
                with uninterrupted():
                    self._switch(layout)
        except BaseException as error:
            self._mark_failed(layout, error)
            raise

    def _start(self, layout: Layout, release: str) -> None:
        """Start a release's processes beside whatever is live."""
        filesystem.symlink_atomic(f"{layout.release(release)}/supervisor.conf", layout.candidate_config)
        try:
            supervisord.start_group(layout.group(release))
        finally:
            # supervisord has read it; were it still there at a reboot, a release that is not live would start.
            filesystem.remove(layout.candidate_config)

    def _wait_until_well(self, layout: Layout, release: str) -> None:
        starting = Starting(layout.group(release), layout.config(release))
        if self.health is not None:
            socket = layout.socket(release)
            if problem := self.health.wait(lambda: self.health_problem(socket), starting.require_alive):
                raise ResourceError(f"not healthy within {self.health.timeout:g} s: {problem}")
            # What answers must be what supervisord has started, and will stop: not a child that went off by itself.
            starting.require_alive()
        starting.wait(self.health.timeout if self.health else PATIENCE, passes_over="web")

    def health_problem(self, socket: str) -> str | None:
        """What is wrong with the release that listens on a socket; None when nothing is."""
        return self.health.ask_socket(socket, self.app) if self.health else None

    def _switch(self, layout: Layout) -> None:
        """Make the release live and verify it the way a visitor comes; the caller's undo takes it back."""
        if not os.path.islink(layout.boot_config):
            # Before the first release is live it points to nothing, which supervisord passes over.
            filesystem.symlink_atomic(f"{layout.current}/supervisor.conf", layout.boot_config)
        if os.path.exists(layout.singletons_config(self.release)) and not os.path.islink(layout.singletons_boot_config):
            filesystem.symlink_atomic(f"{layout.current}/{SINGLETONS_CONF}", layout.singletons_boot_config)
        filesystem.symlink_atomic(f"releases/{self.release}", layout.current)
        if self.health is not None and self.port is not None:
            # Without a site of its own, another app's would answer for this one.
            if not os.path.exists(f"/etc/nginx/sites-enabled/{self.app}"):
                raise ResourceError(f"nginx has no site {self.app} on this host; run `fab provision`")
            problem = self.health.ask_port(self.port)
            if problem:
                raise ResourceError(f"healthy on its own socket, but not through nginx: {problem}")

    def go_back(self, old: str | None) -> None:
        """Have the old release serve again, and stop this one.

        :param old: id of the release that was live before; None when there was none.
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
                layout.mark(self.release, "failed", "put back before it was confirmed")

    def _revive(self, layout: Layout, old: str) -> None:
        """See that the old release is well, as it should be, since it was never stopped.

        :raises ResourceError: it is not, so that this release, which is, had better stay.
        """
        if self._well(layout, old) and self.health_problem(layout.socket(old)) is None:
            return
        try:
            self._start(layout, old)
            self._wait_until_well(layout, old)
        except ResourceError as error:
            raise ResourceError(f"{self.release} stays live, since {old} is not well any more: {error}") from error

    def _mark_failed(self, layout: Layout, error: BaseException) -> None:
        """A release that was proven once stays so: what fails it now may be the host."""
        if layout.record(self.release).state != "proven":
            reason = str(error).splitlines()[0] if str(error) else "interrupted"
            # A disk that takes no more must not hide what went wrong.
            with contextlib.suppress(ResourceError):
                layout.mark(self.release, "failed", redact.text(reason))


@dataclass(frozen=True)
class GoBack(PutBack):
    """That the release that was live before is live again; at boot, when nothing runs yet, the symlink is all of it.

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
    """Where a release's logs ended before it was started, to show what it wrote since."""

    def __init__(self, layout: Layout, release: str) -> None:
        self._folder, self._suffix = layout.logs, f"-{release}.log"
        self._sizes = {path: os.path.getsize(path) for path in self._paths()}

    def _paths(self) -> list[str]:
        names = filesystem.names(self._folder)
        return [f"{self._folder}/{name}" for name in names if name.endswith(self._suffix)]

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """What fails in a `with` block is told with what has been logged since."""
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
                text += f"\nwhat {name} has logged:\n" + "\n".join(_shortened(lines))
        return text


def _shortened(lines: list[str]) -> list[str]:
    """The first and the last lines, when there are many."""
    left_out = len(lines) - _FIRST_LINES - _LAST_LINES
    if left_out <= 0:
        return lines
    return [*lines[:_FIRST_LINES], f"... ({left_out} lines) ...", *lines[-_LAST_LINES:]]
