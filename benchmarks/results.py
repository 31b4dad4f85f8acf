"""Results of measurements as plain data, kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import linear_regression


@dataclass(frozen=True)
class Run:
    """One timed run, after which the hosts were verified.

    :param job: the value of a `Job`.
    :param delay: milliseconds of a round trip.
    :param cpu: seconds of the controller's CPU.
    """

    job: str
    hosts: int
    delay: int
    tool: str
    seconds: float
    cpu: float


@dataclass(frozen=True)
class Sample:
    """Measurements of a run that was watched and not timed.

    :param memory: MB of the controller at the peak.
    :param channels: SSH sessions on one host.
    :param connections: to one host; this and what follows is None where no proxy counted.
    :param sent: bytes to one host.
    :param received: bytes from one host.
    """

    job: str
    hosts: int
    delay: int
    tool: str
    memory: float
    channels: int
    connections: float | None = None
    sent: float | None = None
    received: float | None = None


@dataclass(frozen=True)
class Listed:
    """One timed run of hostsmith that finds nothing to change in so many resources."""

    resources: int
    seconds: float


@dataclass
class Results:
    """All of it.

    :param machine: what it was measured on.
    :param versions: of each tool.
    :param left_out: what was not measured, a sentence each.
    """

    machine: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    lists: list[Listed] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the results atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1) + "\n")
        new.replace(path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` has written."""
        kept = json.loads(path.read_text())
        kept["runs"] = [Run(**run) for run in kept["runs"]]
        kept["samples"] = [Sample(**sample) for sample in kept["samples"]]
        kept["lists"] = [Listed(**listed) for listed in kept["lists"]]
        return cls(**kept)


class JoinError(Exception):
    """Results that do not fit in one table."""


def joined(parts: Sequence[Results]) -> Results:
    """Join the results of several runs that measured different things.

    :raises JoinError: the versions of a tool differ, or a case was measured twice.
    """
    whole = Results({name: ", ".join(dict.fromkeys(part.machine[name] for part in parts)) for name in parts[0].machine})
    for part in parts:
        if other := {name for name, version in part.versions.items() if whole.versions.get(name, version) != version}:
            raise JoinError(f"found two versions of {', '.join(sorted(other))}, expected one of each tool")
        if twice := _cases(whole) & _cases(part):
            raise JoinError(f"found {min(twice)} in two of them, expected each case in one")
        whole.versions |= part.versions
        whole.left_out += [text for text in part.left_out if text not in whole.left_out]
        whole.runs += part.runs
        whole.samples += part.samples
        whole.lists += part.lists
    return whole


def _cases(results: Results) -> set[tuple[str, int, int]]:
    lists = {("growth", 1, 0)} if results.lists else set()
    return lists | {(run.job, run.hosts, run.delay) for run in results.runs}


def machine() -> dict[str, str]:
    """Describe the machine and its load, on which the figures depend."""
    models = [line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d"),
        "CPU": models[0].strip() if models else platform.machine(),
        "CPUs, shared with the hosts": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Compute the slope of y over x by least squares.

    :param points: (x, y), of two or more different x.
    """
    return linear_regression(*zip(*points, strict=True)).slope
