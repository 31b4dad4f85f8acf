"""Ansible from PyPI, tuned: pipelining, a fork per host, kept connections."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence

from . import pip
from .base import DEPLOY_JOBS, PROVISION_JOBS, WORK, Job, Way, by_job
from .peer import Peer

_PLAYBOOKS = by_job("provision.yml", "deploy.yml", "rollback.yml")


class Ansible(Peer):
    """Its connections outlive a run by a minute (ControlPersist), so that most runs need no handshake."""

    name = "ansible"
    jobs = PROVISION_JOBS | DEPLOY_JOBS
    port = 8083

    def install(self) -> str:
        self.make_folders()
        shutil.copytree(WORK / "ansible", self.folder, dirs_exist_ok=True)
        self._program = pip.installed("ansible-core>=2.19,<2.20") / "ansible-playbook"
        done = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"core ([\d.]+)", done.stdout)
        return found[1] if found else done.stdout

    def use(self, ways: Sequence[Way]) -> None:
        self.close()
        super().use(ways)

    def command(self, job: Job) -> list[str]:
        return [str(self._program), "--forks", str(len(self.ways)), _PLAYBOOKS[job]]

    def unchanged(self, output: str, hosts: int) -> bool:
        return len(re.findall(r"ok=18 +changed=0 +unreachable=0 +failed=0 ", output)) == hosts

    def close(self) -> None:
        """End the kept connections: another host may get the same port."""
        for socket in (self.folder / "home" / ".ansible" / "cp").glob("*"):
            subprocess.run(["ssh", "-S", socket, "-O", "exit", "host"], capture_output=True, check=False)

    def write_inventory(self) -> None:
        hosts = {f"host-{number}": self._variables(way) for number, way in enumerate(self.ways, 1)}
        everywhere = {"site": self.site, "release": self.release}
        (self.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": everywhere}}))

    def _variables(self, way: Way) -> dict[str, str | int]:
        return {
            "ansible_host": way.host,
            "ansible_port": way.port,
            "ansible_user": way.user,
            "ansible_ssh_private_key_file": str(way.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={way.known_hosts}",
        }
