"""Recovery from killed runs: unfinished work is finished or cleared."""

from __future__ import annotations

import shutil

from . import disk, machine, process
from .store import State, Store
from .tools import Progress


def clear(store: Store, state: State, progress: Progress) -> None:
    """Reconcile files and processes with the state. Call it with the sandbox's lock held."""
    known = {pid for record in state.hosts.values() for pid in machine.of(store, record).pids()}
    for pid in process.strays(store.id, known):
        progress(f"clearing a host that a killed run left (process {pid})")
        process.kill_tree(pid)
    for folder in store.machines.glob("*"):
        if folder.name not in state.hosts:
            progress(f"clearing the unfinished host {folder.name} that a killed run left")
            shutil.rmtree(folder)
    finish_snapshots(store, state)
    remove_unused_layers(store, state)


def finish_snapshots(store: Store, state: State) -> None:
    """Turn a host's disk into the layer that the state lists but that is missing."""
    for name, record in state.hosts.items():
        own = [layer for layer in record.layers[:1] if layer.rpartition("-")[0] == name]
        for layer in own:
            if not (store.layers / layer).exists():
                store.upper(name).rename(store.layers / layer)
        disk.new(store.upper(name))


def remove_unused_layers(store: Store, state: State) -> None:
    """Remove the image layers that no host or image uses any more."""
    used = state.layers()
    for folder in store.layers.glob("*"):
        if folder.name not in used:
            shutil.rmtree(folder)


def kill_all(store: Store) -> None:
    """Kill every host of a sandbox: those with a record, even if the state lacks them, and those without."""
    for record in store.processes.glob("*"):
        running = process.running(record)
        if running is not None:
            process.kill_tree(running.pid)
    for pid in process.strays(store.id, set()):
        process.kill_tree(pid)
    machine.remove_cgroups(store.id)
