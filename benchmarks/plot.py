"""Plots of the results, PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from .report import OURS, Case, list_medians, seconds
from .results import Results, Run

_COLOURS = {
    "hostsmith": "#c0392b",
    "script": "#7f8c8d",
    "pyinfra": "#2980b9",
    "ansible": "#27ae60",
    "capistrano": "#8e44ad",
}
_TITLES = {
    "provision": "bare host",
    "unchanged": "nothing to change",
    "template": "one template changed",
    "deploy": "deploy",
    "deploy-requirements": "deploy, other requirements",
    "rollback": "rollback",
}
_Draw = Callable[[Any, Results, str], None]
_WIDTH, _HEIGHT, _COLUMNS = 4.4, 3.3, 3  # inches of a panel


def plot(results: Results, folder: Path) -> list[Path]:
    """Draw the results; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")  # needs no screen
    mpl.rcParams["svg.hashsalt"] = "hostsmith"  # the same results give the same file
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    panels: list[tuple[_Draw, str]] = [(_bars, job) for job in _TITLES if _alone(results, job)]
    panels += [(_lines, job) for job in _TITLES if _many(results, job)]
    panels += [(_lists, "")] if results.lists else []
    if not panels:
        return []
    rows = -(-len(panels) // _COLUMNS)
    size = (_WIDTH * _COLUMNS, _HEIGHT * rows)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=size, squeeze=False, layout="constrained")
    for place in axes.flat:
        place.set_axis_off()
    for place, (draw, job) in zip(axes.flat, panels, strict=False):
        place.set_axis_on()
        place.spines[["top", "right"]].set_visible(False)
        place.set_ylabel("seconds")
        draw(place, results, job)
    there = {run.tool for run in results.runs}
    handles = [Patch(color=colour, label=tool) for tool, colour in _COLOURS.items() if tool in there]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(_COLOURS), frameon=False)
    files = [folder / "benchmarks.png", folder / "benchmarks.svg"]
    figure.savefig(files[0], dpi=120)
    figure.savefig(files[1], metadata={"Date": None})
    pyplot.close(figure)
    return files


def _bars(axes: Any, results: Results, job: str) -> None:
    """One host at each distance."""
    runs = _alone(results, job)
    tools = [tool for tool in _COLOURS if any(run.tool == tool for run in runs)]
    delays = sorted({run.delay for run in runs})
    width = 0.8 / len(tools)
    for number, tool in enumerate(tools):
        taken = [seconds(results, Case(job, 1, delay), tool) for delay in delays]
        heights = [median(one) if one else 0.0 for one in taken]
        places = [place + (number - (len(tools) - 1) / 2) * width for place in range(len(delays))]
        bars = axes.bar(places, heights, width, color=_COLOURS[tool])
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_xticks(range(len(delays)), [f"{delay} ms" for delay in delays])
    axes.set_title(f"{_TITLES[job]}, by round trip")


def _lines(axes: Any, results: Results, job: str) -> None:
    """Many hosts, as near as there are."""
    runs = _many(results, job)
    delay = min(run.delay for run in runs)
    for tool, colour in _COLOURS.items():
        sizes = sorted({run.hosts for run in runs if (run.tool, run.delay) == (tool, delay)})
        taken = [median(seconds(results, Case(job, size, delay), tool)) for size in sizes]
        if sizes:
            axes.plot(sizes, taken, marker="o", color=colour)
    axes.set_xticks(sorted({run.hosts for run in runs}))
    axes.set_xlabel("hosts")
    axes.set_yscale("log")
    axes.set_title(f"{_TITLES[job]}, {delay} ms, by hosts")


def _lists(axes: Any, results: Results, _: str) -> None:
    """One host and long lists of resources."""
    lengths, taken = zip(*list_medians(results), strict=True)
    axes.plot(lengths, taken, marker="o", color=_COLOURS[OURS])
    axes.set_ylim(0, 1.2 * max(taken))
    axes.set_xlabel("resources")
    axes.set_title(f"{OURS}, nothing to change, by resources")


def _alone(results: Results, job: str) -> list[Run]:
    """The runs of a job on one host."""
    return [run for run in results.runs if run.job == job and run.hosts == 1]


def _many(results: Results, job: str) -> list[Run]:
    """The runs of a job that was measured with several numbers of hosts; none when it was not."""
    runs = [run for run in results.runs if run.job == job]
    return runs if len({run.hosts for run in runs}) > 1 else []
