"""Lower bound: a shell script for these jobs through one ssh per host."""

from __future__ import annotations

import shlex
import subprocess

from .base import DEPLOY_JOBS, PROVISION_JOBS, WORK, Job, by_job
from .peer import Peer

_SCRIPTS = by_job("provision.sh", "deploy.sh", "rollback.sh")


class Script(Peer):
    """A script with checks for these jobs only: no undo, no lock, no error handling."""

    name = "script"
    jobs = PROVISION_JOBS | DEPLOY_JOBS
    port = 8081

    def install(self) -> str:
        self.make_folders()
        done = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True)
        return done.stderr.split()[0]

    def template(self, number: int) -> None:
        self._write("provision.sh", number=str(number))

    def revision(self, number: int, requirements: int = 0) -> None:
        super().revision(number, requirements)
        self._write("deploy.sh", name=self.site, release=self.release)
        self._write("rollback.sh", name=self.site)

    def command(self, job: Job) -> list[str]:
        way = self.ways[0]
        hosts = [word for way in self.ways for word in (way.host, str(way.port))]
        access = [str(way.key), str(way.known_hosts), way.user]
        return ["sh", str(WORK / "script" / "each.sh"), str(self.folder / _SCRIPTS[job]), *access, *hosts]

    def unchanged(self, output: str, hosts: int) -> bool:
        return output == "0 changed\n" * hosts

    def _write(self, script: str, **values: str) -> None:
        """Build the script to send: its values first."""
        head = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
        (self.folder / script).write_text(head + (WORK / "script" / script).read_text())
