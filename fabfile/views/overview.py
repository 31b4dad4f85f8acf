"""Overview of a fleet for `fab status`, computed from the hosts' answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._version import __version__
from ..hostkit.app.provisioned import compared

Answer = dict[str, Any]
COLUMNS = ("HOST", "ROLES", "RELEASE", "HEALTH", "DISK", "LAG", "DRIFT", "HOSTSMITH", "PROCESSES")


def compare(answers: Iterable[Answer]) -> None:
    """Add to each answer whether the host's release differs from the fleet's, and by how many releases.

    The fleet's release is the newest live one that no host has rolled back.
    """
    with_app = [answer for answer in answers if answer["runs_app"]]
    lives = {answer["live"] for answer in with_app if answer["live"]}
    marks = [mark for answer in with_app for mark in answer["releases"].items()]
    newest = max(lives - {release for release, state in marks if state == "bad"} or lives, default="")
    proven = {release for release, state in marks if state == "proven"} | {newest}
    for answer in with_app:
        live = answer["live"] or ""
        answer["lags"] = live != newest
        answer["behind"] = sum(live < release <= newest for release in proven)


def row(name: str, answer: Answer) -> tuple[str, ...]:
    """Build the cells of a host."""
    roles = "every role" if answer["roles"] is None else ", ".join(answer["roles"])
    if "error" in answer:
        return (name, roles, answer["error"], *["?"] * (len(COLUMNS) - 3))
    release = (answer["live"] or "none") if answer["runs_app"] else "-"
    seen = (_health(answer), _disk(answer["disk"]), _lag(answer), _drift(answer))
    return name, roles, release, *seen, answer["provisioned_by"] or "-", _runs(answer)


def style(answer: Answer) -> str | None:
    """Choose the colour of a host's row."""
    if "error" in answer or answer["problem"]:
        return "red"
    return "yellow" if answer["lags"] or answer["drift"] != [] else None


def remarks(answers: Mapping[str, Answer]) -> list[str]:
    """List the remarks below the table."""
    heard = {name: answer for name, answer in answers.items() if "error" not in answer}
    lines = [f"{name}: {answer['problem']}" for name, answer in heard.items() if answer["problem"]]
    lines += _in_maintenance(heard)
    lines += _lagging(heard)
    if drifted := [name for name, answer in heard.items() if answer["drift"]]:
        lines.append(f"{_are(drifted)} not as provisioned: `fab provision --dry-run` shows what differs")
    unknown: dict[str, list[str]] = {}
    for name, answer in heard.items():
        if answer["drift"] is None:
            unknown.setdefault(answer["drift_problem"], []).append(name)
    lines += [f"{', '.join(names)}: drift unknown: {problem}" for problem, names in unknown.items()]
    lines += _other_versions(heard)
    lines += [f"{name} is held by {answer['lock']}" for name, answer in heard.items() if answer["lock"]]
    lines += [
        f"{name}: a run was cut off; the next one first reverts: {answer['cut_off']}"
        for name, answer in heard.items()
        if answer["cut_off"]
    ]
    return lines


def _other_versions(heard: Mapping[str, Answer]) -> list[str]:
    """Which hosts another version of hostsmith has provisioned, and what to do about it."""
    by: dict[str, list[str]] = {}
    for name, answer in heard.items():
        if found := answer["provisioned_by"]:
            by.setdefault(found, []).append(name)
    lines = []
    for found, names in by.items():
        advice = {
            "older": "`fab provision` updates that",
            "newer": "upgrade hostsmith on your machine",
        }
        if how := compared(found, __version__):
            were = "was" if len(names) == 1 else "were"
            what = f"hostsmith {found}, {how} than yours ({__version__})"
            lines.append(f"{', '.join(names)} {were} provisioned by {what}: {advice[how]}")
    return lines


def _in_maintenance(heard: Mapping[str, Answer]) -> list[str]:
    lines = []
    for name, answer in heard.items():
        if (notice := answer["maintenance"]) is not None:
            since, who = notice.get("since", "some time ago"), notice.get("who", "somebody")
            lines.append(f"{name} is in maintenance since {since}, by {who}; `fab maintenance.off` ends it")
    if lines and (others := [name for name, each in heard.items() if each["maintenance"] is None and _serves(each)]):
        lines.append(f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} not in maintenance")
    return lines


def _serves(answer: Answer) -> bool:
    """Whether a host serves the site itself."""
    return any(process["name"] == "web" for process in answer["processes"])


def _lagging(heard: Mapping[str, Answer]) -> list[str]:
    lines = []
    if behind := [name for name, answer in heard.items() if answer["lags"] and answer["behind"]]:
        them, lag = ("it", "lags") if len(behind) == 1 else ("them", "lag")
        lines.append(f"{', '.join(behind)} {lag} behind: the next `fab deploy` updates {them}")
    if ahead := [name for name, answer in heard.items() if answer["lags"] and not answer["behind"]]:
        run = "runs" if len(ahead) == 1 else "run"
        lines.append(f"{', '.join(ahead)} still {run} a release that the others rolled back: `fab deploy` replaces it")
    return lines


def _are(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _health(answer: Answer) -> str:
    if answer["problem"]:
        return "unhealthy"
    return "healthy" if answer["processes"] or answer["servers"] else "-"


def _disk(disk: Mapping[str, int]) -> str:
    return f"{_percent(disk)}%, {size(disk['free'])} free"


def _percent(disk: Mapping[str, int]) -> int:
    """Compute the used part of a disk, rounded up as by `df`."""
    size = disk["used"] + disk["free"]
    return -(-disk["used"] * 100 // size) if size else 0


def size(count: float) -> str:
    """Format a number of bytes in a unit that keeps it short."""
    for unit in ("B", "K", "M", "G"):
        if count < 1024:
            return f"{count:.0f}{unit}"
        count /= 1024
    return f"{count:.1f}T"


def _lag(answer: Answer) -> str:
    if not answer["lags"]:
        return "-"
    return str(answer["behind"] or "ahead")


def _drift(answer: Answer) -> str:
    if answer["drift"] is None:
        return "?"
    return "yes" if answer["drift"] else "no"


def _runs(answer: Answer) -> str:
    """List the app's processes, and the web hosts behind a balancer."""
    runs = [_process(process) for process in answer["processes"]]
    if servers := [f"{server['name']} {server['status'].lower()}" for server in answer["servers"]]:
        runs.append(f"haproxy: {', '.join(servers)}")
    return ", ".join(runs) or "-"


def _process(process: Mapping[str, Any]) -> str:
    if process["state"] == "running":
        return f"{process['name']} up {ago(process['uptime'])}"
    return f"{process['name']} {process['state']}" if process["pid"] else f"{process['name']} down ({process['state']})"


def ago(seconds: int) -> str:
    """Format a duration in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
