"""What the benchmarks share: commands whose cost is measured, a project to deploy, tools to be compared with."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hostsmith.sandbox import SshTarget

HERE = Path(__file__).parent
FAB = Path(sys.executable).with_name("fab")
PYINFRA = "pyinfra>=3.10,<3.11"
_LIMIT = 900  # seconds after which a command is ended


@dataclass(frozen=True)
class Cost:
    """What a command took of this machine, itself and the processes that it waited for.

    :param seconds: from its start to its end.
    :param cpu: seconds of CPU.
    :param memory: MB, of the largest of its processes at its peak.
    """

    seconds: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.cpu:.2f} s of CPU, {self.memory:.0f} MB"


@dataclass(frozen=True)
class Bench:
    """A folder to work in, and the environment of all that runs in it.

    :param folder: a temporary one.
    :param target: how to reach a host of the sandbox; its key and its known hosts are those of all.
    """

    folder: Path
    target: SshTarget

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "LANG": "C.UTF-8"}

    @property
    def fab(self) -> list[str]:
        return [str(FAB), "-i", self.target.key_filename]

    def know_hosts(self) -> None:
        """Have the hosts that there are by now known to all tools."""
        ssh = self.folder / "home" / ".ssh"
        ssh.mkdir(parents=True, mode=0o700, exist_ok=True)
        shutil.copy(self.target.known_hosts, ssh / "known_hosts")

    def project(self) -> Path:
        """A copy of the example."""
        folder = self.folder / "project"
        shutil.copytree(HERE.parent / "examples" / "flask-hello", folder)
        return folder

    def peers(self) -> Path:
        """A copy of what the peers do."""
        folder = self.folder / "peers"
        shutil.copytree(HERE / "peers", folder)
        return folder

    def installed(self, requirement: str) -> Path:
        """Install a tool into a virtualenv of its own; returns the folder of its commands."""
        folder = self.folder / "tools" / requirement.partition(">")[0]
        venv.create(folder, with_pip=True)
        commands = folder / "bin"
        subprocess.run([commands / "python", "-m", "pip", "install", "--quiet", "--quiet", requirement], check=True)
        return commands

    def pyinfra(self, program: Path, addresses: Sequence[str]) -> list[str]:
        """The command that has pyinfra do its job, in the folder of the peers."""
        options = ["--user", "root", "--key", self.target.key_filename, "-y"]
        options += ["--data", "ssh_strict_host_key_checking=accept-new"]
        return [str(program / "pyinfra"), *options, ",".join(addresses), "pyinfra_provision.py"]

    def run(self, argv: Sequence[str], cwd: Path) -> tuple[Cost, str]:
        """Run a command, which must succeed; returns its cost and what it printed."""
        with tempfile.TemporaryFile() as output:
            start = time.perf_counter()
            process = subprocess.Popen(
                ["timeout", str(_LIMIT), *argv],
                cwd=cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except KeyboardInterrupt:
                # timeout(1) has a process group of its own, which Ctrl-C does not reach.
                process.terminate()
                process.wait()
                raise
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if process.returncode:
            sys.exit(f"{' '.join(argv)}: {process.returncode}\n{text}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text


def heading(what: str) -> str:
    """On what the figures were taken."""
    # Other work on the machine is in the figures, too.
    machine = f"{os.cpu_count()} CPUs shared with the hosts, load {os.getloadavg()[0]:.1f}"
    return f"hostsmith {version('hostsmith')}, Python {platform.python_version()}, {machine}, {what}"


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("seconds", "cpu", "memory")))


def as_json(figures: Mapping[str, Sequence[Cost]]) -> str:
    """All runs, for machines."""
    return json.dumps({name: [vars(cost) for cost in costs] for name, costs in figures.items()})
