"""The results as tables for people, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .results import Results, Run, Sample, slope

OURS, FLOOR = "hostsmith", "script"


@dataclass(frozen=True)
class Case:
    """Common properties of the runs in one row."""

    job: str
    hosts: int
    delay: int


@dataclass(frozen=True)
class Goal:
    """Goal of the project for a figure.

    :param times: how many times as long as ours the tool takes: at least so many, or for our own row at most so many.
    """

    case: Case
    tool: str
    times: float


GOALS = (
    Goal(Case("unchanged", 1, 0), "pyinfra", 4),
    Goal(Case("unchanged", 1, 0), "ansible", 10),
    Goal(Case("unchanged", 1, 80), "pyinfra", 5),
    Goal(Case("unchanged", 1, 80), "ansible", 9),
    Goal(Case("unchanged", 1, 80), FLOOR, 1 / 1.3),
    Goal(Case("unchanged", 16, 0), "pyinfra", 4),
    Goal(Case("unchanged", 16, 0), "ansible", 20),
    Goal(Case("deploy", 1, 0), "capistrano", 1),
)
RESOURCE_GOAL = 1.0  # milliseconds for each one more


def report(results: Results) -> str:
    """Write all tables, with the machine that they were measured on."""
    parts = [_facts(results), *(_table(results, hosts, delay) for hosts, delay in _places(results.runs))]
    parts += [_fleet(results), _lists(results), _goals(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def seconds(results: Results, case: Case, tool: str) -> list[float]:
    """List the seconds of all runs of a tool."""
    return [run.seconds for run in _runs(results, case, tool)]


def ratio(results: Results, case: Case, tool: str, base: str) -> float | None:
    """Divide the medians of two tools; None when one of them was not measured."""
    above, below = seconds(results, case, tool), seconds(results, case, base)
    return median(above) / median(below) if above and below else None


def per_host(results: Results, job: str, tool: str) -> tuple[float, float] | None:
    """Compute the cost of each additional host: seconds, and CPU seconds here; None with less than two sizes."""
    runs = [run for run in results.runs if (run.job, run.tool) == (job, tool)]
    delay = min((run.delay for run in runs), default=0)
    cases = sorted({Case(job, run.hosts, delay) for run in runs if run.delay == delay}, key=lambda case: case.hosts)
    if len(cases) < 2:
        return None
    times = [(case.hosts, median(seconds(results, case, tool))) for case in cases]
    cpu = [(case.hosts, median(run.cpu for run in _runs(results, case, tool))) for case in cases]
    return slope(times), slope(cpu)


def list_medians(results: Results) -> list[tuple[float, float]]:
    """Resources and seconds."""
    lengths = sorted({listed.resources for listed in results.lists})
    return [(length, median(one.seconds for one in results.lists if one.resources == length)) for length in lengths]


def _places(runs: Iterable[Run]) -> list[tuple[int, int]]:
    return sorted({(run.hosts, run.delay) for run in runs})


def _runs(results: Results, case: Case, tool: str) -> list[Run]:
    return [run for run in results.runs if Case(run.job, run.hosts, run.delay) == case and run.tool == tool]


def _facts(results: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    facts = [f"{name}: {value}" for name, value in results.machine.items()]
    return "\n".join(f"- {line}" for line in [versions, *facts, *(f"left out: {text}" for text in results.left_out)])


def _table(results: Results, hosts: int, delay: int) -> str:
    head = ["job", "tool", "seconds", "min", "max", f"x {OURS}", f"x {FLOOR}", "CPU s", "MB"]
    head += ["channels", "kB sent", "kB received"]
    jobs = dict.fromkeys(run.job for run in results.runs if (run.hosts, run.delay) == (hosts, delay))
    rows = [
        _row(results, Case(job, hosts, delay), tool)
        for job in jobs
        for tool in results.versions
        if seconds(results, Case(job, hosts, delay), tool)
    ]
    title = f"{hosts} host{'' if hosts == 1 else 's'}, {delay} ms round trip"
    return f"### {title}\n\n{_markdown(head, rows)}"


def _row(results: Results, case: Case, tool: str) -> list[str]:
    runs = _runs(results, case, tool)
    taken = [run.seconds for run in runs]
    times = [ratio(results, case, tool, base) for base in (OURS, FLOOR)]
    cells = [case.job, tool, *(f"{value:.2f}" for value in (median(taken), min(taken), max(taken)))]
    cells += [f"{value:.2f}" if value else "" for value in times]
    cells.append(f"{median(run.cpu for run in runs):.2f}")
    return cells + _sampled(results.samples, case, tool)


def _sampled(samples: Iterable[Sample], case: Case, tool: str) -> list[str]:
    for one in samples:
        if Case(one.job, one.hosts, one.delay) == case and one.tool == tool:
            traffic = ["" if size is None else f"{size / 1000:.1f}" for size in (one.sent, one.received)]
            return [f"{one.memory:.0f}", str(one.channels), *traffic]
    return [""] * 4


def _fleet(results: Results) -> str:
    rows = []
    for job in dict.fromkeys(run.job for run in results.runs):
        for tool in results.versions:
            if growth := per_host(results, job, tool):
                rows.append([job, tool, f"{growth[0]:.3f}", f"{growth[1]:.3f}"])
    return f"### Each host more\n\n{_markdown(['job', 'tool', 'seconds', 'CPU s'], rows)}" if rows else ""


def _lists(results: Results) -> str:
    points = list_medians(results)
    if not points:
        return ""
    table = _markdown(["resources", "seconds"], [[f"{length:.0f}", f"{taken:.2f}"] for length, taken in points])
    each = f"\n\nEach resource more: {slope(points) * 1000:.2f} ms." if len(points) > 1 else ""
    return f"### {OURS}, nothing to change in so many resources\n\n{table}{each}"


def _goals(results: Results) -> str:
    lines = []
    for goal in GOALS:
        found = ratio(results, goal.case, goal.tool, OURS)
        if found is not None:
            where = f"{goal.case.job}, hosts: {goal.case.hosts}, {goal.case.delay} ms"
            told = f"{goal.tool} takes {found:.2f} times as long as {OURS}, wanted: {goal.times:.2f} or more"
            lines.append(f"- {'reached' if found >= goal.times else 'MISSED'}: {where}: {told}")
    points = list_medians(results)
    if len(points) > 1:
        each = slope(points) * 1000
        verdict = "reached" if each < RESOURCE_GOAL else "MISSED"
        lines.append(f"- {verdict}: each resource more takes {each:.2f} ms, wanted: less than {RESOURCE_GOAL:.0f} ms")
    return "\n".join(["### Goals\n", *lines]) if lines else ""


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table that is aligned in plain text, too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
