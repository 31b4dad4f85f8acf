"""What the peers share: a host made ready by a script, a bare repository there, releases beside a virtualenv."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from . import app, provisioning, remote
from .base import WORK, Tool, Way


class Peer(Tool):
    """A tool that takes the app from a bare repository on the host itself, pushed there beforehand."""

    release = ""

    @property
    def site(self) -> str:
        """The name of its folder, user, nginx site and program: the tools leave each other alone on one host."""
        return f"bench-{self.name}"

    @property
    def repository(self) -> Path:
        """The app, as the project has it."""
        return self.folder / "app"

    def make_folders(self) -> None:
        """Have the app and the files of the 18 resources in the tool's folder."""
        app.create(self.repository)
        provisioning.create(self.folder / "provision")

    def use(self, ways: Sequence[Way]) -> None:
        super().use(ways)
        self.write_inventory()

    def write_inventory(self) -> None:
        """Write down the hosts and the release, for a tool that reads them from a file."""

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
