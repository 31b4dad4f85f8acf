"""A project's sandbox: makes, boots, stops, copies and removes its hosts, and clears what a killed run left."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from uuid import uuid4

from ..errors import SandboxError
from . import base, disk, inherit, machine, network, tools
from .keys import new_key
from .machine import Machine
from .network import Network
from .store import (
    CACHE_ROOT,
    STATE_ROOT,
    Host,
    HostRecord,
    ImageRecord,
    State,
    Store,
    all_states,
    locked,
    write_file,
)
from .tools import Progress


def _silent(message: str) -> None:
    """The default `progress`: says nothing."""


class Sandbox:
    """The disposable hosts of one project folder.

    Every method but `hosts` and `images` needs root, and raises SandboxError when it cannot do its work.
    """

    def __init__(self, project: Path) -> None:
        self._store = Store(project)

    # -- what there is

    def hosts(self) -> list[Host]:
        """All hosts, by name; none when there is no sandbox."""
        if not self._store.exists():
            return []
        return [self._host(record) for record in _by_number(self._store.read())]

    def images(self) -> list[str]:
        """The names of the images that `snapshot` kept."""
        return sorted(self._store.read().images) if self._store.exists() else []

    # -- making and booting

    def up(self, count: int | None = None, suite: str | None = None, progress: Progress = _silent) -> list[Host]:
        """Make sure that hosts sandbox-1 to sandbox-<count> exist and run; a second call changes nothing.

        :param count: None for all hosts there are, or one when there is none.
        :param suite: for hosts that have to be made; this machine's own when None.
        :raises SandboxError: a host runs another suite than the one asked for, or one does not boot.
        """
        if count is not None and count < 1:
            raise SandboxError(f"--count is {count}, expected 1 or more")
        state = self._open(progress)
        numbered = [f"sandbox-{number}" for number in range(1, (count or 0) + 1)]
        names = numbered or list(state.hosts) or ["sandbox-1"]
        self._refuse_other_suite(state, names, suite)
        for name in names:
            if name not in state.hosts:
                self._make(name, suite, None, progress)
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
    ) -> Host:
        """Make and boot one more host, fresh or as a copy of an image.

        :raises SandboxError: there is a host of that name, no such image, or it does not boot.
        """
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise SandboxError(
                f"{name!r} cannot be a host's name: expected lower-case letters, digits and '-', like web-1"
            )
        self._open(progress)
        self._make(name, suite, image, progress)
        self._boot([name], progress)
        return self._host(self._record(name))

    def start(self, name: str) -> None:
        """Boot a host that is stopped, and wait until it answers SSH."""
        self._record(name)
        self._open(_silent)
        self._boot([name], _silent)

    # -- stopping

    def stop(self, name: str) -> None:
        """Shut a host down cleanly; its disk stays."""
        self._stop([self._record(name)])

    def kill(self, name: str) -> None:
        """Cut a host's power: no process of it gets to say goodbye. Its disk stays."""
        tools.require_machine()
        self._machine(self._record(name)).kill()

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

        An image of the same name is replaced; hosts made from that one keep what they stand on.
        """
        self.stop(name)
        with self._store.lock():
            state = self._store.read()
            record = state.hosts[name]
            if self._machine(record).process() is not None:
                raise SandboxError(f"{name} was started again while its image was being made; try again")
            layer = uuid4().hex[:12]
            self._store.layers.mkdir(mode=0o700, exist_ok=True)
            # The state comes first: were we killed between the two, both names stand on an empty layer's place,
            # which `_settle` fills from the disk that is still there.
            layers = (layer, *record.layers)
            state.images[image] = ImageRecord(record.suite, record.base, layers)
            state.hosts[name] = replace(record, layers=layers)
            self._store.write(state)
            self._settle(state)
            self._remove_unused_layers(state)

    # -- removing

    def destroy(self, name: str | None = None) -> None:
        """Remove one host, or the whole sandbox with all that it put on this machine.

        With the last sandbox of the machine, its kernel settings go back to what they were before the first one.
        """
        tools.require_machine()
        if name is not None:
            self._destroy_host(name)
            return
        with self._store.lock():
            known = self._kill_all()
            for pid in machine.strays(self._store.id, known):
                machine.kill_tree(pid)
            network.tear_down(self._store.id)
            self._store.state_file.unlink(missing_ok=True)
            if self._store.folder.exists():
                shutil.rmtree(self._store.folder)
            with self._machine_lock():
                if not any(self._store.root.glob("*/state.json")):
                    network.restore_kernel()
            (self._store.root / f"{self._store.id}.lock").unlink()
        base.remove_unused()
        self._remove_empty_roots()

    # -- the steps of the above

    def _open(self, progress: Progress) -> State:
        """Bring everything but the hosts into being, and clear what a killed run or a reboot left."""
        tools.require_machine()
        with self._store.lock():
            state = self._store.read() if self._store.exists() else self._found()
            with self._machine_lock():
                network.set_kernel()
            self._clear_leftovers(state, progress)
            if not any(self._machine(record).process() for record in state.hosts.values()):
                self._network(state).set_up()
        return state

    def _found(self) -> State:
        """Begin a sandbox: its folder, its key, and a subnet that nobody has."""
        _public_folder(self._store.root.parent)
        _public_folder(self._store.root)
        _public_folder(self._store.folder)
        self._store.machines.mkdir(mode=0o700, exist_ok=True)
        network.tear_down(self._store.id)
        key = new_key("hostsmith-sandbox")
        write_file(self._store.key, key.private, 0o600)
        write_file(self._store.key.with_suffix(".pub"), f"{key.public}\n".encode(), 0o644)
        if "SUDO_UID" in os.environ:  # `sudo fab sandbox.up`, then `fab -H sandbox-1 deploy` as oneself
            os.chown(self._store.key, int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1")))
        with self._machine_lock():
            others = all_states(self._store.root)
            subnet = network.choose_subnet(network.taken_subnets(others))
            state = State(project=str(self._store.project), subnet=str(subnet))
            self._store.write(state)
        return state

    def _make(self, name: str, suite: str | None, image: str | None, progress: Progress) -> None:
        """Put a host's disk together and note it in the state; it does not boot yet."""
        if image is not None:
            with self._store.lock():
                self._place(self._from_image(name, suite, image), self._store.read(), [])
            return
        with base.ready(suite, progress) as (base_name, plan), self._store.lock():
            state = self._store.read()
            record = self._new_record(state, name, plan.suite, base_name)
            gateway = self._network(state).gateway
            lower = [base.rootfs(base_name)]
            self._place(record, state, [*inherit.files(plan, gateway), *disk.environment(lower, gateway)])

    def _from_image(self, name: str, suite: str | None, image: str) -> HostRecord:
        state = self._store.read()
        if image not in state.images:
            known = ", ".join(sorted(state.images)) or "none"
            raise SandboxError(f"there is no image {image!r}; this sandbox has: {known}")
        found = state.images[image]
        if suite not in (None, found.suite):
            raise SandboxError(f"image {image!r} is of {found.suite}, not {suite}")
        record = self._new_record(state, name, found.suite, found.base)
        return replace(record, image=image, layers=found.layers)

    def _new_record(self, state: State, name: str, suite: str, base_name: str) -> HostRecord:
        if name in state.hosts:
            raise SandboxError(f"there is a host {name} already. Remove it first: fab sandbox.destroy --name {name}")
        address = self._network(state).free_address(record.address for record in state.hosts.values())
        return HostRecord(name=name, address=address, suite=suite, base=base_name, host_key="")

    def _place(self, record: HostRecord, state: State, files: list[inherit.File]) -> None:
        """Write the disk, then the state: a disk that no state speaks of is a killed run's, and is cleared."""
        host_key = new_key(record.name)
        authorized = self._store.key.with_suffix(".pub").read_text().strip()
        subnet = IPv4Network(state.subnet)
        files = [*files, *disk.identity(record.name, record.address, subnet, host_key, authorized)]
        folder = self._store.machines / record.name
        if folder.exists():
            shutil.rmtree(folder)
        self._store.upper(record.name).mkdir(mode=0o755, parents=True)
        disk.put(self._store.upper(record.name), self._lower(record), files)
        key = " ".join(host_key.public.split()[:2])
        state.hosts[record.name] = replace(record, host_key=key)
        self._store.write(state)

    def _boot(self, names: Sequence[str], progress: Progress) -> None:
        with self._store.lock():
            state = self._store.read()
            for name in names:
                record, host = state.hosts[name], self._machine(state.hosts[name])
                if host.process() is None:
                    progress(f"{name}: booting {record.suite} on {record.address}")
                    self._require_base(record)
                    disk.refresh_resolv_conf(self._store.upper(name))
                    host.launch(self._lower(record), self._network(state).bridge, inherit.binds())
        for name in names:
            self._machine(state.hosts[name]).await_ssh(state.hosts[name].address)

    def _require_base(self, record: HostRecord) -> None:
        if not base.rootfs(record.base).exists():
            raise SandboxError(
                f"the base that {record.name} stands on is gone ({base.rootfs(record.base)}). "
                f"Make the host anew: fab sandbox.destroy --name {record.name}, then fab sandbox.up"
            )

    def _stop(self, records: list[HostRecord]) -> None:
        tools.require_machine()
        machines = [self._machine(record) for record in records]
        for one in machines:
            one.ask_to_stop()
        for one in machines:
            one.await_stop()

    def _destroy_host(self, name: str) -> None:
        record = self._record(name)
        with self._store.lock():
            self._machine(record).kill()
            state = self._store.read()
            state.hosts.pop(name, None)
            self._store.write(state)
            shutil.rmtree(self._store.machines / name)
            self._remove_unused_layers(state)

    def _kill_all(self) -> set[int]:
        """Kill by the records in the folders, not by the state: the state may be damaged."""
        known = set()
        for record in self._store.machines.glob("*/process"):
            one = Machine(id=f"{self._store.id}-0", folder=record.parent, hostname=record.parent.name)
            process = one.process()
            if process is not None:
                known.add(process.pid)
                machine.kill_tree(process.pid)
        machine.remove_cgroups(self._store.id)
        return known

    def _clear_leftovers(self, state: State, progress: Progress) -> None:
        processes = [self._machine(record).process() for record in state.hosts.values()]
        known = {process.pid for process in processes if process is not None}
        for pid in machine.strays(self._store.id, known):
            progress(f"clearing a host that a killed run left (process {pid})")
            machine.kill_tree(pid)
        for folder in self._store.machines.glob("*"):
            if folder.name not in state.hosts:
                progress(f"clearing the half-made host {folder.name} that a killed run left")
                shutil.rmtree(folder)
        self._settle(state)
        self._remove_unused_layers(state)

    def _settle(self, state: State) -> None:
        """Finish snapshots: the disk of a host whose topmost layer is not there yet becomes that layer."""
        for name, record in state.hosts.items():
            if record.layers and not (self._store.layers / record.layers[0]).exists():
                self._store.upper(name).rename(self._store.layers / record.layers[0])
            self._store.upper(name).mkdir(mode=0o755, exist_ok=True)

    def _remove_unused_layers(self, state: State) -> None:
        used = {layer for r in (*state.hosts.values(), *state.images.values()) for layer in r.layers}
        for folder in self._store.layers.glob("*"):
            if folder.name not in used:
                shutil.rmtree(folder)

    def _refuse_other_suite(self, state: State, names: Sequence[str], suite: str | None) -> None:
        for name in names:
            if suite is not None and name in state.hosts and state.hosts[name].suite != suite:
                raise SandboxError(
                    f"{name} runs {state.hosts[name].suite}, not {suite}. To make it anew: "
                    f"fab sandbox.destroy --name {name}, then fab sandbox.up --suite {suite}"
                )

    def _remove_empty_roots(self) -> None:
        root = self._store.root
        with self._machine_lock():
            if not any(path for path in root.iterdir() if path.name != "machine.lock"):
                (root / "machine.lock").unlink()
                root.rmdir()
        if root.parent.exists() and not any(root.parent.iterdir()):
            root.parent.rmdir()

    @contextmanager
    def _machine_lock(self) -> Iterator[None]:
        """Guards what all sandboxes of the machine share: the choice of subnets, and the kernel's settings."""
        with locked(self._store.root / "machine.lock"):
            yield

    def _record(self, name: str) -> HostRecord:
        hosts = self._store.read().hosts
        if name not in hosts:
            known = ", ".join(sorted(hosts)) or "none"
            raise SandboxError(f"there is no sandbox host {name!r}; there are: {known}")
        return hosts[name]

    def _machine(self, record: HostRecord) -> Machine:
        octet = record.address.rpartition(".")[2]
        return Machine(f"{self._store.id}-{octet}", self._store.machines / record.name, record.name)

    def _host(self, record: HostRecord) -> Host:
        running = self._machine(record).process() is not None
        return Host(record.name, record.address, record.suite, "running" if running else "stopped", record.image)

    def _network(self, state: State) -> Network:
        return Network(self._store.id, IPv4Network(state.subnet))

    def _lower(self, record: HostRecord) -> list[Path]:
        return [*(self._store.layers / layer for layer in record.layers), base.rootfs(record.base, CACHE_ROOT)]


def abandoned() -> list[Sandbox]:
    """The sandboxes of project folders that are no more: nobody else can ever remove them."""
    projects = [Path(state.project) for state in all_states(STATE_ROOT)]
    return [Sandbox(project) for project in projects if not project.exists()]


def _public_folder(path: Path) -> None:
    """State is read without root, so its folders are open whatever the umask."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


def _by_number(state: State) -> list[HostRecord]:
    """sandbox-2 before sandbox-10."""

    def key(record: HostRecord) -> tuple[str, int]:
        stem, _, number = record.name.rpartition("-")
        return (stem, int(number)) if number.isdigit() else (record.name, 0)

    return sorted(state.hosts.values(), key=key)
