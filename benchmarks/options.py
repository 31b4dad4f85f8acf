"""What is measured, as the environment asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .tools.base import PROVISION_JOBS, Job, Tool

# A rollback needs two revisions with the same requirements, as a deploy leaves them.
_ORDER = (Job.UNCHANGED, Job.TEMPLATE, Job.DEPLOY_REQUIREMENTS, Job.DEPLOY, Job.ROLLBACK)
_FLEET_JOBS = frozenset({Job.UNCHANGED, Job.DEPLOY})  # with more hosts than one
_QUICK_JOBS = frozenset({Job.UNCHANGED, Job.DEPLOY})
_SLOW = "ansible"  # of which a quick benchmark has no deploys, and nothing at a distance
_QUICK = (
    "other jobs, more than one host, 20 ms: QUICK",
    "more than one run; the one is watched while it is timed, and the first since the host was booted: QUICK",
    f"deploys of {_SLOW}, and all of it at a distance: QUICK",
)


class OptionError(Exception):
    """A variable has a value that cannot be."""


@dataclass(frozen=True)
class Options:
    """
    :param runs: timed ones, of each job, after one that is watched; if there are none, the time of that one counts.
    :param delays: round trips in milliseconds; those of fleets are the first alone.
    :param sizes: how many hosts.
    :param lists: how many resources hostsmith is timed with.
    :param slow: a tool that does not deploy, and is timed at the first distance alone.
    """

    runs: int
    delays: tuple[int, ...]
    sizes: tuple[int, ...]
    jobs: frozenset[Job]
    tools: tuple[type[Tool], ...]
    lists: tuple[int, ...]
    slow: str = ""
    left_out: tuple[str, ...] = ()

    def jobs_of(self, tool: Tool, delay: int) -> frozenset[Job]:
        """What a tool does of what is timed at a distance."""
        if tool.name == self.slow:
            return self.jobs & tool.jobs & PROVISION_JOBS if delay == self.delays[0] else frozenset()
        return self.jobs & tool.jobs

    def jobs_with(self, size: int) -> list[Job]:
        """What is timed with so many hosts that are not bare, in order."""
        return [job for job in _ORDER if job in self.jobs and (size == 1 or job in _FLEET_JOBS)]


def options(environment: Mapping[str, str], tools: Iterable[type[Tool]]) -> Options:
    """What the variables say.

    :raises OptionError: one cannot be understood.
    """
    quick = environment.get("QUICK", "") not in ("", "0")
    known = {tool.name: tool for tool in tools}
    jobs = {job.value: job for job in Job}
    chosen = _names("ONLY", environment, [*jobs, "growth"])
    wanted = chosen or [*(name for name, job in jobs.items() if job in _QUICK_JOBS or not quick), "growth"]
    return Options(
        runs=_numbers("RUNS", environment, "0" if quick else "5", least=0)[0],
        delays=_numbers("DELAYS", environment, "0,80" if quick else "0,20,80", least=0),
        sizes=_numbers("HOSTS", environment, "1" if quick else "1,4,16,50", least=1),
        jobs=frozenset(jobs[name] for name in wanted if name != "growth"),
        tools=tuple(known[name] for name in _names("TOOLS", environment, known) or known),
        lists=(10, 100, 1000) if "growth" in wanted else (),
        slow=_SLOW if quick else "",
        left_out=_QUICK if quick else (),
    )


def _numbers(name: str, environment: Mapping[str, str], default: str, least: int) -> tuple[int, ...]:
    text = environment.get(name) or default
    words = text.split(",")
    if not all(word.strip().isascii() and word.strip().isdigit() and int(word) >= least for word in words):
        raise OptionError(f"{name} is {text!r}, expected numbers of {least} or more, such as {name}={default}")
    return tuple(dict.fromkeys(map(int, words)))


def _names(name: str, environment: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """The names that a variable lists; none when it is not set."""
    words = [word.strip() for word in environment.get(name, "").split(",") if word.strip()]
    unknown = [word for word in words if word not in known]
    if unknown:
        raise OptionError(f"{name} has {', '.join(unknown)}, expected some of: {', '.join(known)}")
    return words
