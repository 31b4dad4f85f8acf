"""Creation of a sandbox and its hosts on disk; nothing here boots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from ..errors import SandboxError
from . import base, disk, inherit, network
from .inherit import HostFile
from .keys import new_key
from .network import Network
from .store import HostRecord, State, Store, all_states, public_folder, write_file
from .tools import Progress


class HostExistsError(SandboxError):
    """A host of that name exists."""


def found(store: Store) -> State:
    """Create a sandbox: its folder, its key and a free subnet. Call it with its lock held."""
    for folder in (store.root.parent, store.root, store.folder, store.processes):
        public_folder(folder)
    store.machines.mkdir(mode=0o700, exist_ok=True)
    network.tear_down(store.id)  # an earlier sandbox's, whose state was deleted
    key = new_key("hostsmith-sandbox")
    write_file(store.key, key.private, 0o600)
    write_file(store.public_key, f"{key.public}\n".encode(), 0o644)
    if "SUDO_UID" in os.environ:  # `sudo fab sandbox.up`, then `fab -H sandbox-1 deploy` without sudo
        os.chown(store.key, int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1")))
    with store.machine_lock():
        subnet = network.choose_subnet(network.taken_subnets(all_states(store.root)))
        state = State(project=str(store.project), subnet=str(subnet))
        store.write(state)
    return state


def from_base(store: Store, name: str, suite: str | None, progress: Progress) -> None:
    """Make a host on the base of a suite; make the base first if it is missing."""
    with base.ready(suite, progress) as (base_name, plan), store.lock():
        state = store.read()
        record = _new_record(store, state, name, plan.suite, base_name)
        gateway = Network(store.id, IPv4Network(state.subnet)).gateway
        files = [*inherit.files(plan, gateway), *disk.environment(store.lower(record), gateway)]
        _place(store, state, record, files)


def from_image(store: Store, name: str, suite: str | None, image: str) -> None:
    """Make a host from a copy of an image.

    :raises SandboxError: there is no such image, or it is of another suite.
    """
    with store.lock():
        state = store.read()
        if image not in state.images:
            known = ", ".join(sorted(state.images)) or "none"
            raise SandboxError(f"there is no image {image!r}; this sandbox has: {known}")
        kept = state.images[image]
        if suite not in (None, kept.suite):
            raise SandboxError(f"image {image!r} is of {kept.suite}, not {suite}")
        record = _new_record(store, state, name, kept.suite, kept.base)
        _place(store, state, replace(record, image=image, layers=kept.layers), [])


def _new_record(store: Store, state: State, name: str, suite: str, base_name: str) -> HostRecord:
    if name in state.hosts:
        raise HostExistsError(f"the host {name} already exists. Remove it first: fab sandbox.destroy --name {name}")
    net = Network(store.id, IPv4Network(state.subnet))
    address = net.free_address(record.address for record in state.hosts.values())
    return HostRecord(name=name, address=address, suite=suite, base=base_name, host_key="")


def _place(store: Store, state: State, record: HostRecord, files: Sequence[HostFile]) -> None:
    """Write the disk, then the state: a disk without a state is left by a killed run and gets cleared."""
    host_key = new_key(record.name)
    authorized = store.public_key.read_text().strip()
    own = disk.identity(record.name, record.address, IPv4Network(state.subnet), host_key, authorized)
    upper = store.upper(record.name)
    if upper.parent.exists():
        shutil.rmtree(upper.parent)
    disk.new(upper)
    disk.put(upper, store.lower(record), [*files, *own])
    public = " ".join(host_key.public.split()[:2])  # without the comment
    state.hosts[record.name] = replace(record, host_key=public)
    store.write(state)
