"""Order of the measurements: distances, many hosts, bare hosts, long lists."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import growth
from .cost import Cost
from .jobs import Bench, do_all_once
from .lab import BARE, Lab, side_by_side
from .options import Options
from .results import Results, Run, Sample
from .say import say
from .tools.base import Job, Tool

_DONE = "done"  # the image of a host on which all tools have done their jobs


def measure(options: Options, folder: Path, results: Results, keep: Callable[[], None]) -> None:
    """Measure, and leave nothing but the cached base and the tools.

    :param folder: a scratch folder.
    :param keep: called whenever there are more results.
    """
    tools = _installed([tool(folder / tool.name) for tool in options.tools], results)
    with Lab(folder) as lab, ExitStack() as stack:
        # However it ends: finished rounds count, even if more were planned.
        stack.callback(keep)
        sizes = [size for size in options.sizes if options.jobs_with(size)]
        if sizes:
            _make_image(lab, tools, options)
        for size in sizes:
            for delay in options.delays if size == 1 else options.delays[:1]:
                with _bench(lab, size, _DONE, delay, tools) as bench:
                    _rounds(bench, size, delay, options, results)
                keep()
        if Job.PROVISION in options.jobs:
            _bare(lab, tools, options, results)
            keep()
        if options.lists:
            with lab.hosts(1, BARE) as [host], lab.far([host], 0) as distance:
                results.lists += growth.measure(
                    folder / "growth", distance.ways[0], options.lists, max(options.runs, 1)
                )


def _installed(tools: Sequence[Tool], results: Results) -> list[Tool]:
    """Install the tools; those that are unavailable here are left out."""
    there = []
    for tool, version in zip(tools, side_by_side(_version, tools), strict=True):
        if version is None:
            results.left_out.append(f"{tool.name}, which cannot be installed here")
        else:
            results.versions[tool.name] = version
            there.append(tool)
    return there


def _version(tool: Tool) -> str | None:
    try:
        version = tool.install()
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"{tool.name}: {error}")
        return None
    say(f"{tool.name} {version}")
    return version


def _make_image(lab: Lab, tools: Sequence[Tool], options: Options) -> None:
    with lab.image(_DONE, BARE) as host, lab.far([host], 0) as distance:
        do_all_once(lab, host, distance, {tool: options.jobs_of(tool, options.delays[0]) for tool in tools})


@contextmanager
def _bench(lab: Lab, size: int, image: str, delay: int, tools: Sequence[Tool]) -> Iterator[Bench]:
    with lab.hosts(size, image) as hosts, lab.far(hosts, delay / 1000) as distance:
        try:
            yield Bench(lab, hosts, distance, tools)
        finally:
            for tool in tools:
                tool.close()


def _rounds(bench: Bench, size: int, delay: int, options: Options, results: Results) -> None:
    """Run each job of each tool in turn, so that a machine that slows down slows all of them."""
    work = [
        (job, tool) for job in options.jobs_with(size) for tool in bench.tools if job in options.jobs_of(tool, delay)
    ]
    for job, tool in work:  # in this round the hosts' disks are read, too
        seen = bench.watched(tool, job)
        if not options.runs_of(tool):
            _enter(results, job, tool, size, delay, seen.cost)
        traffic = seen.traffic
        shares = [count / size for count in vars(traffic).values()] if traffic else []
        results.samples.append(Sample(job.value, size, delay, tool.name, seen.memory, seen.channels, *shares))
    for number in range(options.runs):
        for job, tool in work:
            if number < options.runs_of(tool):
                _time(bench, job, tool, size, delay, results)


def _bare(lab: Lab, tools: Sequence[Tool], options: Options, results: Results) -> None:
    """Run each time on a separate bare host."""
    for delay in options.delays:
        for _ in range(max(options.runs, 1)):
            for tool in tools:
                if Job.PROVISION in options.jobs_of(tool, delay):
                    with _bench(lab, 1, BARE, delay, [tool]) as bench:
                        _time(bench, Job.PROVISION, tool, 1, delay, results)


def _time(bench: Bench, job: Job, tool: Tool, size: int, delay: int, results: Results) -> None:
    _enter(results, job, tool, size, delay, bench.timed(tool, job))


def _enter(results: Results, job: Job, tool: Tool, size: int, delay: int, cost: Cost) -> None:
    say(f"hosts: {size}, {delay} ms, {job.value}, {tool.name}: {cost}")
    results.runs.append(Run(job.value, size, delay, tool.name, cost.seconds, cost.cpu))
