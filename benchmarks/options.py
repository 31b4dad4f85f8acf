"""Options of the benchmark, from the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .tools.base import PROVISION_JOBS, Job, Tool

# A rollback needs two revisions with the same requirements, as a deploy leaves them.
_ORDER = (Job.UNCHANGED, Job.TEMPLATE, Job.DEPLOY_REQUIREMENTS, Job.DEPLOY, Job.ROLLBACK)
_FLEET_JOBS = frozenset({Job.UNCHANGED, Job.DEPLOY_REQUIREMENTS, Job.DEPLOY})  # with more hosts than one
_QUICK_JOBS = frozenset({Job.UNCHANGED, Job.DEPLOY})
_SLOW = "ansible"  # of which a quick benchmark has little
_QUICK = (
    "other jobs, more than one host, 20 ms, deploys at a distance: QUICK",
    "more than one run: QUICK",
    f"of {_SLOW}: all but unchanged at 0 ms; its run is watched while it is timed: QUICK",
)


class OptionError(Exception):
    """A variable has an invalid value."""


@dataclass(frozen=True)
class Options:
    """
    :param runs: timed ones, of each job, after one that is watched; if there are none, the time of that one counts.
    :param delays: round trips in milliseconds; those of fleets are the first alone.
    :param sizes: how many hosts.
    :param lists: how many resources hostsmith is timed with.
    :param quick: nothing is deployed at a distance, and of the slow tool there is the least.
    """

    runs: int
    delays: tuple[int, ...]
    sizes: tuple[int, ...]
    jobs: frozenset[Job]
    tools: tuple[type[Tool], ...]
    lists: tuple[int, ...]
    quick: bool = False
    left_out: tuple[str, ...] = ()

    def jobs_of(self, tool: Tool, delay: int) -> frozenset[Job]:
        """Choose the jobs of a tool at a distance."""
        jobs, near, slow = self.jobs & tool.jobs, delay == self.delays[0], tool.name == _SLOW
        if self.quick and slow and not near:
            return frozenset()
        return jobs & PROVISION_JOBS if self.quick and (slow or not near) else jobs

    def runs_of(self, tool: Tool) -> int:
        """Choose how often a job of a tool is timed after it was watched."""
        return 0 if self.quick and tool.name == _SLOW else self.runs

    def jobs_with(self, size: int) -> list[Job]:
        """Choose the jobs for a number of provisioned hosts, in order."""
        return [job for job in _ORDER if job in self.jobs and (size == 1 or job in _FLEET_JOBS)]


def options(environment: Mapping[str, str], tools: Iterable[type[Tool]]) -> Options:
    """Read the options from environment variables.

    :raises OptionError: one is invalid.
    """
    quick = environment.get("QUICK", "") not in ("", "0")
    known = {tool.name: tool for tool in tools}
    jobs = {job.value: job for job in Job}
    chosen = _names("ONLY", environment, [*jobs, "growth"])
    wanted = chosen or [*(name for name, job in jobs.items() if job in _QUICK_JOBS or not quick), "growth"]
    return Options(
        runs=_numbers("RUNS", environment, "1" if quick else "5", least=0)[0],
        delays=_numbers("DELAYS", environment, "0,80" if quick else "0,20,80", least=0),
        sizes=_numbers("HOSTS", environment, "1" if quick else "1,4,16,50", least=1),
        jobs=frozenset(jobs[name] for name in wanted if name != "growth"),
        tools=tuple(known[name] for name in _names("TOOLS", environment, known) or known),
        lists=(10, 100, 1000) if "growth" in wanted else (),
        quick=quick,
        left_out=_QUICK if quick else (),
    )


def _numbers(name: str, environment: Mapping[str, str], default: str, least: int) -> tuple[int, ...]:
    text = environment.get(name) or default
    words = text.split(",")
    if not all(word.strip().isascii() and word.strip().isdigit() and int(word) >= least for word in words):
        raise OptionError(f"{name} is {text!r}, expected numbers of {least} or more, such as {name}={default}")
    return tuple(dict.fromkeys(map(int, words)))


def _names(name: str, environment: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """List the names in a variable; empty when it is not set."""
    words = [word.strip() for word in environment.get(name, "").split(",") if word.strip()]
    unknown = [word for word in words if word not in known]
    if unknown:
        raise OptionError(f"{name} has {', '.join(unknown)}, expected some of: {', '.join(known)}")
    return words
