"""Images of hosts that the workers of pytest-xdist share; each worker has a separate sandbox."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from hostsmith.sandbox import Sandbox
from hostsmith.sandbox.network import Network
from hostsmith.sandbox.store import ImageRecord, Store, write_file

if TYPE_CHECKING:
    from tests.hosts.conftest import Vps

# They name this machine by its address on the bridge of the sandbox that made the host.
_SAY_GATEWAY = ("etc/environment", "etc/pip.conf", "etc/apt/apt.conf.d/90machine")


class Images:
    """Images by name, made once.

    :param folder: of this run of the tests, for all of its workers.
    """

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._store = Store(sandbox.project)
        self._folder = folder / "images"
        self._folder.mkdir(exist_ok=True)

    def shared(self, name: str, make: Callable[[Path], Vps]) -> Path:
        """Have an image in this worker's sandbox: make it, or take over another worker's.

        :param make: gets a folder for what belongs to the image, and returns the host that it is of.
        :returns: that folder.
        """
        folder, note = self._folder / name, self._folder / f"{name}.json"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if note.exists():
                found = json.loads(note.read_text())
                self._take_over(name, Path(found["project"]), ImageRecord(**found["image"]))
                return folder
            folder.mkdir()
            vps = make(folder)
            self._sandbox.snapshot(vps.name, name)
            self._sandbox.destroy(vps.name)
            image = self._store.read().images[name]
            note.write_text(json.dumps({"project": str(self._store.project), "image": asdict(image)}))
            return folder

    def _take_over(self, name: str, project: Path, image: ImageRecord) -> None:
        giver = Store(project)
        # As `create` does: there may be no host in this sandbox yet.
        self._sandbox._open(lambda _: None)
        with self._store.lock():
            state = self._store.read()
            self._store.layers.mkdir(mode=0o700, exist_ok=True)
            gateways = [_gateway(store) for store in (giver, self._store)]
            for layer in image.layers:
                if not (self._store.layers / layer).exists():
                    # Links: nothing is ever written to a layer.
                    argv = ["cp", "--archive", "--link", giver.layers / layer, self._store.layers / layer]
                    subprocess.run(argv, check=True)
                    self._rename_gateway(self._store.layers / layer, *gateways)
            state.images[name] = ImageRecord(image.suite, image.base, tuple(image.layers))
            self._store.write(state)

    def _rename_gateway(self, layer: Path, old: str, new: str) -> None:
        for path in (layer / name for name in _SAY_GATEWAY):
            if path.is_file() and old in (text := path.read_text()):
                write_file(path, text.replace(old, new).encode(), path.stat().st_mode & 0o777)


def _gateway(store: Store) -> str:
    return Network(store.id, IPv4Network(store.read().subnet)).gateway
