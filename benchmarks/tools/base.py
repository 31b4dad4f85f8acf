"""Base of the tools: their jobs, hosts, templates and revisions.

Only one command is timed, `Tool.command`. Everything else here is preparation by the user and never timed.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

HERE = Path(__file__).parents[1]
WORK = HERE / "work"  # what the tools do, in their own languages


class Job(Enum):
    """Job that is timed; the value is its name on the command line, in tables and in JSON."""

    PROVISION = "provision"  # the 18 resources, on a bare host
    UNCHANGED = "unchanged"  # the same with nothing to change
    TEMPLATE = "template"  # the same with another number in the site's template
    DEPLOY = "deploy"  # another revision of the app
    DEPLOY_REQUIREMENTS = "deploy-requirements"  # another revision that wants another version of a package
    ROLLBACK = "rollback"  # back to the revision before


PROVISION_JOBS = frozenset({Job.PROVISION, Job.UNCHANGED, Job.TEMPLATE})
DEPLOY_JOBS = frozenset({Job.DEPLOY, Job.DEPLOY_REQUIREMENTS, Job.ROLLBACK})


def by_job(provision: str, deploy: str, rollback: str) -> dict[Job, str]:
    """Map each job to a tool's command: provisions share one, and so do deploys."""
    deploys = {Job.DEPLOY: deploy, Job.DEPLOY_REQUIREMENTS: deploy, Job.ROLLBACK: rollback}
    return dict.fromkeys(PROVISION_JOBS, provision) | deploys


@dataclass(frozen=True)
class Way:
    """Route of a tool to a host.

    :param address: the host's own, with its own sshd at port 22: for what is not timed.
    :param host: what the tool connects to, such as 127.0.0.1 where a proxy listens.
    :param port: the port there.
    :param known_hosts: a file that knows the host by both of its addresses.
    """

    address: str
    host: str
    port: int
    key: Path
    known_hosts: Path
    user: str = "root"


class Tool(ABC):
    """A tool with a private folder: its home, its inventory, its copy of the app as a git repository.

    The order of calls: `install` once; `use` whenever the hosts or the ways to them change; `prepare` once on hosts
    that are to be deployed to (clones of such a host need no other); `template` before a provision job, `revision`
    before a deploy.
    """

    name: str
    jobs: frozenset[Job]
    port: int  # of the site that it deploys

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ways: tuple[Way, ...] = ()
        (folder / "home").mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def install(self) -> str:
        """Make the tool available; returns its version."""

    def use(self, ways: Sequence[Way]) -> None:
        """Work on these hosts from now on."""
        self.ways = tuple(ways)
        ssh = self.folder / "home" / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(ways[0].known_hosts, ssh / "known_hosts")

    @abstractmethod
    def template(self, number: int) -> None:
        """Write `# <number>` to the site's template."""

    @abstractmethod
    def prepare(self) -> None:
        """Prepare the hosts for a first deploy: a user, folders, nginx, supervisor."""

    @abstractmethod
    def revision(self, number: int, requirements: int = 0) -> None:
        """Commit an app that serves "revision <number>", and push it to where the next deploy fetches it from.

        :param requirements: another number asks for another version of a package.
        """

    @abstractmethod
    def command(self, job: Job) -> list[str]:
        """Build the command of a job on all hosts, side by side; it runs in `cwd` with `environment`."""

    @property
    def cwd(self) -> Path:
        """Folder in which commands run."""
        return self.folder

    @property
    def environment(self) -> dict[str, str]:
        """Complete environment of commands."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "LANG": "C.UTF-8"}

    @abstractmethod
    def unchanged(self, output: str, hosts: int) -> bool:
        """Whether the tool reports that it changed nothing on all hosts."""

    def close(self) -> None:  # noqa: B027
        """End what it left running on this machine, before hosts are removed, too."""

    def url(self, way: Way) -> str:
        """Build the URL of the deployed app."""
        return f"http://{way.address}:{self.port}/"
