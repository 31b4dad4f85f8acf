"""SSH key pair of the host, for reading a private repository."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..contract.base import Change, Resource
from ..contract.events import note
from ..hostkit.linux import filesystem, system


@dataclass(frozen=True)
class DeployKey(Resource):
    """A key pair `id_ed25519` in a folder, generated once; its public half is shown then.

    :param comment: its purpose; the host's name is added.
    """

    folder: str
    comment: str

    def describe(self) -> str:
        return f"deploy key {self.folder}/id_ed25519"

    def check(self) -> Change | None:
        path = f"{self.folder}/id_ed25519"
        if os.path.exists(path):
            return None
        return Change("created", lambda: self._create(path))

    def _create(self, path: str) -> None:
        comment = f"{self.comment}@{os.uname().nodename}"
        system.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
        public = (filesystem.read(f"{path}.pub") or b"").decode().strip()
        note(f"if the repository is private, add this deploy key to it (read-only is enough):\n{public}")
