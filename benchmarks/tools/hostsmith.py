"""hostsmith in a project: a task for the 18 resources, deploy and rollback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from . import app, pip, provisioning
from .base import DEPLOY_JOBS, HERE, PROVISION_JOBS, WORK, Job, Tool, Way, by_job

_TASKS = by_job("resources", "deploy", "rollback")


class Hostsmith(Tool):
    """The folder of the project is the app's git repository, from which a deploy pushes."""

    name = "hostsmith"
    jobs = PROVISION_JOBS | DEPLOY_JOBS
    port = 80

    @property
    def cwd(self) -> Path:
        return self.folder / "project"

    def install(self) -> str:
        self._commands = pip.checked_out(HERE.parent)
        app.create(self.cwd)
        shutil.copy(WORK / "hostsmith" / "fabfile.py", self.cwd)
        (self.cwd / "Procfile").write_text("web: gunicorn app:app\n")
        provisioning.create(self.cwd / "templates")
        return version("hostsmith")

    def use(self, ways: Sequence[Way]) -> None:
        super().use(ways)
        settings = {
            "app": "hello",
            "workers": 1,
            "health": {"path": "/healthz"},
            "roles": {"web": [f"{way.user}@{way.host}:{way.port}" for way in ways]},
            # The other tools' sites are on the same host, at other ports.
            "hardening": {"firewall": False, "fail2ban": False},
        }
        (self.cwd / "fabric.yaml").write_text(json.dumps(settings))

    def template(self, number: int) -> None:
        provisioning.number(self.cwd / "templates", number)

    def prepare(self) -> None:
        subprocess.run([*self._fab, "provision"], cwd=self.cwd, env=self.environment, check=True, capture_output=True)

    def revision(self, number: int, requirements: int = 0) -> None:
        app.commit(self.cwd, number, requirements)

    def command(self, job: Job) -> list[str]:
        return [*self._fab, _TASKS[job]]

    def unchanged(self, output: str, hosts: int) -> bool:
        return len(re.findall(r": +0 changed, 18 unchanged", output)) == hosts

    @property
    def _fab(self) -> list[str]:
        return [str(self._commands / "fab"), "-i", str(self.ways[0].key)]
