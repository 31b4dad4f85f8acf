"""pyinfra from PyPI: all hosts at once, its default."""

from __future__ import annotations

import shutil
import subprocess

from . import pip
from .base import DEPLOY_JOBS, PROVISION_JOBS, WORK, Job, Way, by_job
from .peer import Peer

_DEPLOYS = by_job("provision.py", "deploy.py", "rollback.py")


class Pyinfra(Peer):
    """Deploys by shell operations: each built-in operation would cost another check of the host."""

    name = "pyinfra"
    jobs = PROVISION_JOBS | DEPLOY_JOBS
    port = 8082

    def install(self) -> str:
        self.make_folders()
        shutil.copytree(WORK / "pyinfra", self.folder, dirs_exist_ok=True)
        self._program = pip.installed("pyinfra>=3.10,<3.11") / "pyinfra"
        done = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[-1].removeprefix("v")

    def command(self, job: Job) -> list[str]:
        return [str(self._program), "-y", "inventory.py", _DEPLOYS[job]]

    def unchanged(self, output: str, hosts: int) -> bool:
        return output.count("No changes\n") == 18 * hosts

    def write_inventory(self) -> None:
        hosts = [(f"host-{number}", self._data(way)) for number, way in enumerate(self.ways, 1)]
        (self.folder / "inventory.py").write_text(f"hosts = {hosts!r}\n")

    def _data(self, way: Way) -> dict[str, str | int]:
        access: dict[str, str | int] = {
            "ssh_hostname": way.host,
            "ssh_port": way.port,
            "ssh_user": way.user,
            "ssh_key": str(way.key),
            "ssh_known_hosts_file": str(way.known_hosts),
        }
        return {**access, "site": self.site, "release": self.release}
