"""A project's sandbox: make, boot, stop, copy and remove its hosts."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from uuid import uuid4

from ..errors import SandboxError
from . import base, build, disk, inherit, leftovers, machine, network, tools
from .network import Network
from .store import STATE_ROOT, HostRecord, ImageRecord, SandboxHost, State, Store, all_states
from .tools import Progress


def _silent(message: str) -> None:
    """Ignore a progress message; the default `progress`."""


class Sandbox:
    """The disposable hosts of one project folder.

    Every method but `hosts` and `images` needs root and raises SandboxError when it fails.
    """

    def __init__(self, project: Path) -> None:
        self._store = Store(project)

    @property
    def project(self) -> Path:
        return self._store.project

    # -- queries

    def hosts(self) -> list[SandboxHost]:
        """List all hosts, sorted by name; empty without a sandbox."""
        if not self._store.exists():
            return []
        return [self._host(record) for record in _by_number(self._store.read())]

    def images(self) -> list[str]:
        """List the names of the images that `snapshot` kept."""
        return sorted(self._store.read().images) if self._store.exists() else []

    # -- making and booting

    def up(self, count: int | None = None, suite: str | None = None, progress: Progress = _silent) -> list[SandboxHost]:
        """Ensure that the hosts sandbox-1 to sandbox-<count> exist and run; a second call changes nothing.

        :param count: None for all existing hosts, or one if there is none.
        :param suite: for new hosts; None for the suite of this machine.
        :raises SandboxError: a host runs another suite, or does not boot.
        """
        if count is not None and count < 1:
            raise SandboxError(f"--count is {count}, expected 1 or more")
        state = self._open(progress)
        numbered = [f"sandbox-{number}" for number in range(1, (count or 0) + 1)]
        names = numbered or list(state.hosts) or ["sandbox-1"]
        self._refuse_other_suite(state, names, suite)
        for name in names:
            if name not in state.hosts:
                with contextlib.suppress(build.HostExistsError):  # another run made it meanwhile
                    build.from_base(self._store, name, suite, progress)
        self._boot(names, progress)
        records = self._store.read().hosts
        return [self._host(records[name]) for name in names]

    def create(
        self,
        name: str,
        *,
        suite: str | None = None,
        image: str | None = None,
        progress: Progress = _silent,
    ) -> SandboxHost:
        """Make and boot one more host, fresh or from an image.

        :raises SandboxError: the name is taken, there is no such image, or the host does not boot.
        """
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise SandboxError(
                f"{name!r} is not a valid host name: expected lower-case letters, digits and '-', like web-1"
            )
        self._open(progress)
        if image is None:
            build.from_base(self._store, name, suite, progress)
        else:
            build.from_image(self._store, name, suite, image)
        self._boot([name], progress)
        return self._host(self._record(name))

    def start(self, name: str) -> None:
        """Boot a stopped host and wait until it answers over SSH."""
        self._record(name)
        self._open(_silent)
        self._boot([name], _silent)

    # -- stopping

    def stop(self, name: str) -> None:
        """Shut a host down cleanly; its disk stays."""
        self._stop([self._record(name)])

    def kill(self, name: str) -> None:
        """Cut a host's power: no process gets a signal to stop. Its disk stays."""
        tools.require_machine()
        machine.of(self._store, self._record(name)).kill()

    def reboot(self, name: str) -> None:
        """Shut a host down cleanly and boot it again."""
        self.stop(name)
        self.start(name)

    def down(self) -> None:
        """Shut all hosts down; their disks stay, and `up` boots them again."""
        if not self._store.exists():
            return
        self._stop(list(self._store.read().hosts.values()))
        with self._store.lock():
            network.tear_down(self._store.id)

    # -- images

    def snapshot(self, name: str, image: str) -> None:
        """Shut a host down and keep its disk as an image for `create`. The host may be started again.

        An image of the same name is replaced; hosts made from it keep its layers.
        """
        self.stop(name)
        with self._store.lock():
            state = self._store.read()
            record = state.hosts[name]
            if machine.of(self._store, record).process() is not None:
                raise SandboxError(f"{name} was started again while its image was being made; try again")
            layer = f"{name}-{uuid4().hex[:12]}"
            self._store.layers.mkdir(mode=0o700, exist_ok=True)
            # The state comes first: after a kill here, `finish_snapshots` finds the disk and continues.
            layers = (layer, *record.layers)
            state.images[image] = ImageRecord(record.suite, record.base, layers)
            state.hosts[name] = replace(record, layers=layers)
            self._store.write(state)
            leftovers.finish_snapshots(self._store, state)
            leftovers.remove_unused_layers(self._store, state)

    # -- removing

    def destroy(self, name: str | None = None) -> None:
        """Remove one host, or the whole sandbox and all that it left on this machine.

        The last sandbox of the machine restores the kernel settings. Bases stay for the next sandbox; see
        `remove_unused_bases`.
        """
        tools.require_machine()
        if name is not None:
            self._destroy_host(name)
            return
        with self._store.lock():
            leftovers.kill_all(self._store)
            network.tear_down(self._store.id)
            self._store.state_file.unlink(missing_ok=True)
            if self._store.folder.exists():
                shutil.rmtree(self._store.folder)
            with self._store.machine_lock():
                if not any(self._store.root.glob("*/state.json")):
                    network.restore_kernel()
            (self._store.root / f"{self._store.id}.lock").unlink()
        self._remove_empty_roots()

    # -- steps

    def _open(self, progress: Progress) -> State:
        """Create everything but the hosts, and recover from a killed run or a reboot."""
        tools.require_machine()
        disk.require_file_system(self._store.root.parent)
        with self._store.lock():
            state = self._store.read() if self._store.exists() else build.found(self._store)
            with self._store.machine_lock():
                network.set_kernel()
            leftovers.clear(self._store, state, progress)
            machines = (machine.of(self._store, record) for record in state.hosts.values())
            self._network(state).set_up(one.id for one in machines if one.process() is not None)
        return state

    def _boot(self, names: Sequence[str], progress: Progress) -> None:
        state = self._store.read()
        launched = {name for name in names if self._launch(name, progress)}
        for name in names:
            host, address = machine.of(self._store, state.hosts[name]), state.hosts[name].address
            try:
                host.await_ssh(address)
            except SandboxError:
                if name in launched or host.process() is not None:
                    raise
                self._launch(name, progress)  # it was already shutting down
                host.await_ssh(address)

    def _launch(self, name: str, progress: Progress) -> bool:
        """Start a stopped host; returns whether it was started."""
        with self._store.lock():
            state = self._store.read()
            record = state.hosts[name]
            host = machine.of(self._store, record)
            if host.process() is not None:
                return False
            progress(f"{name}: booting {record.suite} on {record.address}")
            self._require_base(record)
            disk.refresh_resolv_conf(self._store.upper(name))
            host.launch(self._store.lower(record), self._network(state).bridge, inherit.binds())
            return True

    def _require_base(self, record: HostRecord) -> None:
        if not base.rootfs(record.base).exists():
            raise SandboxError(
                f"the base that {record.name} stands on is gone ({base.rootfs(record.base)}). "
                f"Recreate the host: fab sandbox.destroy --name {record.name}, then fab sandbox.up"
            )

    def _stop(self, records: list[HostRecord]) -> None:
        tools.require_machine()
        machines = [machine.of(self._store, record) for record in records]
        for one in machines:
            one.ask_to_stop()
        for one in machines:
            one.await_stop()

    def _destroy_host(self, name: str) -> None:
        record = self._record(name)
        with self._store.lock():
            machine.of(self._store, record).kill()
            state = self._store.read()
            state.hosts.pop(name, None)
            self._store.write(state)
            shutil.rmtree(self._store.machines / name)
            leftovers.remove_unused_layers(self._store, state)

    def _refuse_other_suite(self, state: State, names: Sequence[str], suite: str | None) -> None:
        for name in names:
            if suite is not None and name in state.hosts and state.hosts[name].suite != suite:
                raise SandboxError(
                    f"{name} runs {state.hosts[name].suite}, not {suite}. To recreate it: "
                    f"fab sandbox.destroy --name {name}, then fab sandbox.up --suite {suite}"
                )

    def _remove_empty_roots(self) -> None:
        root = self._store.root
        with self._store.machine_lock():
            if not any(path for path in root.iterdir() if path.name != "machine.lock"):
                (root / "machine.lock").unlink()
                root.rmdir()
        with contextlib.suppress(OSError):  # not empty, or a mount point
            root.parent.rmdir()

    def _record(self, name: str) -> HostRecord:
        hosts = self._store.read().hosts
        if name not in hosts:
            known = ", ".join(sorted(hosts)) or "none"
            raise SandboxError(f"there is no sandbox host {name!r}; there are: {known}")
        return hosts[name]

    def _host(self, record: HostRecord) -> SandboxHost:
        running = machine.of(self._store, record).process() is not None
        return SandboxHost(record.name, record.address, record.suite, "running" if running else "stopped", record.image)

    def _network(self, state: State) -> Network:
        return Network(self._store.id, IPv4Network(state.subnet))


def remove_unused_bases() -> None:
    """Remove the cached bases that no sandbox on the machine uses."""
    tools.require_machine()
    base.remove_unused()


def abandoned() -> list[Sandbox]:
    """List the sandboxes whose project folders are gone: nothing else can remove them."""
    projects = [Path(state.project) for state in all_states(STATE_ROOT)]
    return [Sandbox(project) for project in projects if not project.exists()]


def _by_number(state: State) -> list[HostRecord]:
    """Sort sandbox-2 before sandbox-10."""

    def key(record: HostRecord) -> tuple[str, int]:
        stem, _, number = record.name.rpartition("-")
        return (stem, int(number)) if number.isdigit() else (record.name, 0)

    return sorted(state.hosts.values(), key=key)
