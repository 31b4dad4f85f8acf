"""Jobs on a set of hosts: preparation, timed command, verification."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hostsmith.sandbox import SandboxHost

from .cost import Command, Cost
from .delay import HERE, Traffic
from .lab import Distance, Lab, LabError, served, side_by_side
from .say import say
from .tools.app import page
from .tools.base import DEPLOY_JOBS, PROVISION_JOBS, Job, Tool

_VERIFY = HERE / "work" / "verify" / "provision.sh"


@dataclass(frozen=True)
class Revision:
    """A revision that a tool has deployed."""

    number: int
    requirements: int


@dataclass(frozen=True)
class Look:
    """Measurements of a watched run.

    :param cost: with the cost of watching.
    :param memory: MB at the peak, of all processes on this machine.
    :param channels: SSH sessions that the first host has begun.
    :param traffic: of all hosts; None without a proxy.
    """

    cost: Cost
    memory: float
    channels: int
    traffic: Traffic | None


# Revision that each tool has deployed on the image of the hosts, see `do_all_once`.
_FIRST = Revision(1, 1)


class Bench:
    """Tools at work on the same hosts.

    :param hosts: fresh copies of one on which all tools have done all jobs; or bare ones, for `Job.PROVISION` alone.
    """

    def __init__(self, lab: Lab, hosts: Sequence[SandboxHost], distance: Distance, tools: Sequence[Tool]) -> None:
        self.tools = tools
        self._lab, self._hosts, self._distance = lab, hosts, distance
        self._site, self._numbers = 1, itertools.count(_FIRST.number + 1)
        self._deployed = {tool.name: [_FIRST] for tool in tools}
        for tool in tools:
            tool.use(distance.ways)

    def timed(self, tool: Tool, job: Job) -> Cost:
        """Time a job.

        :raises LabError: the tool reports success, but the hosts differ.
        """
        self._make_ready(tool, job)
        cost, output = _command(tool, job).timed()
        self._verify(tool, job, output)
        return cost

    def watched(self, tool: Tool, job: Job) -> Look:
        """Measure a job beyond its time.

        :raises LabError: the tool reports success, but the hosts differ.
        """
        self._make_ready(tool, job)
        first, before = self._lab.sessions(self._hosts[0]), self._distance.traffic()
        cost, output, memory = _command(tool, job).watched()
        after, last = self._distance.traffic(), self._lab.sessions(self._hosts[0])
        self._verify(tool, job, output)
        passed = after.since(before) if after and before else None
        return Look(cost, memory, last - first - 1, passed)  # counting takes a session, too

    def begin(self, tool: Tool) -> None:
        """Deploy the revision that all copies of the hosts start with."""
        tool.prepare()
        tool.revision(_FIRST.number, _FIRST.requirements)
        _, output = _command(tool, Job.DEPLOY).timed()
        self._verify(tool, Job.DEPLOY, output)

    def _make_ready(self, tool: Tool, job: Job) -> None:
        if job is Job.TEMPLATE:
            self._site += 1
        if job in PROVISION_JOBS:
            tool.template(self._site)
        elif job is Job.ROLLBACK:
            self._prepare_rollback(tool)
        else:
            self._revise(tool, other_requirements=int(job is Job.DEPLOY_REQUIREMENTS))

    def _revise(self, tool: Tool, other_requirements: int = 0) -> None:
        """Commit a new revision for the next deploy."""
        deployed = self._deployed[tool.name]
        deployed.append(Revision(next(self._numbers), deployed[-1].requirements + other_requirements))
        tool.revision(deployed[-1].number, deployed[-1].requirements)

    def _prepare_rollback(self, tool: Tool) -> None:
        """Deploy until two revisions have the same requirements: not all tools keep other virtualenvs."""
        deployed = self._deployed[tool.name]
        while len(deployed) == 1 or deployed[-1].requirements != deployed[-2].requirements:
            self.timed(tool, Job.DEPLOY)
        deployed.pop()

    def _verify(self, tool: Tool, job: Job, output: str) -> None:
        if job is Job.UNCHANGED and not tool.unchanged(output, len(self._hosts)):
            raise LabError(f"{tool.name}: expected a report that nothing changed, found:\n{output}")
        try:
            if job in PROVISION_JOBS:
                side_by_side(self._verify_site, self._hosts)
            else:
                live = self._deployed[tool.name][-1]
                text = page(live.number, live.requirements).strip()
                side_by_side(lambda way: served(tool.url(way), text), self._distance.ways)
        except LabError as error:
            raise LabError(f"{tool.name}, {job.value}: {error}\n{output}") from None

    def _verify_site(self, host: SandboxHost) -> None:
        self._lab.shell(host, _VERIFY.read_text(), str(self._site))


def do_all_once(lab: Lab, host: SandboxHost, distance: Distance, jobs: Mapping[Tool, Collection[Job]]) -> None:
    """Prepare a bare host so that `Bench` can measure copies of it with these tools and jobs."""
    bench = Bench(lab, [host], distance, list(jobs))
    for tool, wanted in jobs.items():
        say(f"{tool.name}, for the first time")
        if not PROVISION_JOBS.isdisjoint(wanted):
            bench.timed(tool, Job.PROVISION)
        if not DEPLOY_JOBS.isdisjoint(wanted):
            bench.begin(tool)


def _command(tool: Tool, job: Job) -> Command:
    return Command(tool.command(job), tool.cwd, tool.environment)
