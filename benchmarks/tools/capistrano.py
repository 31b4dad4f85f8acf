"""Capistrano from Debian: its deploy and rollback, without a health check."""

from __future__ import annotations

import json
import shutil
import subprocess

from .base import DEPLOY_JOBS, WORK, Job, Way
from .peer import Peer

_TASKS = {
    Job.DEPLOY: "deploy",
    Job.DEPLOY_REQUIREMENTS: "deploy",
    Job.ROLLBACK: "deploy:rollback",
}


class Capistrano(Peer):
    """Capistrano, for deploys only: it does not provision."""

    name = "capistrano"
    jobs = DEPLOY_JOBS
    port = 8084

    def install(self) -> str:
        self.make_folders()
        shutil.copytree(WORK / "capistrano", self.folder, dirs_exist_ok=True)
        if not shutil.which("cap"):
            apt = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "capistrano"]
            subprocess.run(apt, check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(["cap", "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[2]

    def write_inventory(self) -> None:
        access = {"key": str(self.ways[0].key), "known_hosts": str(self.ways[0].known_hosts)}
        hosts = [_host(way) for way in self.ways]
        (self.folder / "hosts.json").write_text(json.dumps({"application": self.site, **access, "hosts": hosts}))

    def command(self, job: Job) -> list[str]:
        return ["cap", "bench", _TASKS[job]]

    def unchanged(self, output: str, hosts: int) -> bool:
        """A deploy always changes something."""
        return False


def _host(way: Way) -> dict[str, object]:
    return {"name": way.host, "properties": {"user": way.user, "port": way.port}}
