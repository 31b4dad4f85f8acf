"""Base of the peers: a prepared host with a bare repository and releases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from . import app, provisioning, remote
from .base import WORK, Tool, Way


class Peer(Tool):
    """A tool that deploys from a bare repository on the host, which is pushed to beforehand."""

    release = ""

    @property
    def site(self) -> str:
        """Name of its folder, user, nginx site and program: each tool has its own on a host."""
        return f"bench-{self.name}"

    @property
    def repository(self) -> Path:
        """Folder of the app in the project."""
        return self.folder / "app"

    def make_folders(self) -> None:
        """Copy the app and the files of the 18 resources to the tool's folder."""
        app.create(self.repository)
        provisioning.create(self.folder / "provision")

    def use(self, ways: Sequence[Way]) -> None:
        super().use(ways)
        self.write_inventory()

    def write_inventory(self) -> None:
        """Write the hosts and the release to a file for tools that read one."""

    def template(self, number: int) -> None:
        provisioning.number(self.folder / "provision", number)

    def prepare(self) -> None:
        remote.run_script(self.ways, WORK / "peer-site.sh", self.site, str(self.port))

    def revision(self, number: int, requirements: int = 0) -> None:
        app.commit(self.repository, number, requirements)
        remote.push(self.repository, self.ways, f"/srv/{self.site}/app.git")
        # Names of releases sort by their age.
        self.release = f"{time.strftime('%Y%m%d%H%M%S')}-{number:06}"
        self.write_inventory()
