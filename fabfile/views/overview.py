"""What `fab status` says of a fleet, from what its hosts answered. No input or output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._version import __version__
from ..hostkit.app.provisioned import compared

Answer = dict[str, Any]
COLUMNS = ("HOST", "ROLES", "RELEASE", "HEALTH", "DISK", "LAG", "DRIFT", "HOSTSMITH", "PROCESSES")


def compare(answers: Iterable[Answer]) -> None:
    """Enter in each answer whether the host's release is another than the fleet's, and how many came after it.

    The fleet's release is the newest one that is live on a host and that no host has gone back from.
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
    """The cells of a host."""
    roles = "every role" if answer["roles"] is None else ", ".join(answer["roles"])
    if "error" in answer:
        return (name, roles, answer["error"], *["?"] * (len(COLUMNS) - 3))
    release = (answer["live"] or "none") if answer["runs_app"] else "-"
    seen = (_health(answer), _disk(answer["disk"]), _lag(answer), _drift(answer))
    return name, roles, release, *seen, answer["provisioned_by"] or "-", _runs(answer)


def style(answer: Answer) -> str | None:
    """The colour of a host's row."""
    if "error" in answer or answer["problem"]:
        return "red"
    return "yellow" if answer["lags"] or answer["drift"] != [] else None


def remarks(answers: Mapping[str, Answer]) -> list[str]:
    """What there is to say below the table, by the names of the hosts."""
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
    lines += [f"{', '.join(names)}: drift cannot be told: {problem}" for problem, names in unknown.items()]
    lines += _other_versions(heard)
    lines += [f"{name} is held by {answer['lock']}" for name, answer in heard.items() if answer["lock"]]
    lines += [
        f"{name}: a run was cut off, and the next one puts back first: {answer['cut_off']}"
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
        lines.append(f"{', '.join(behind)} {lag} behind: the next `fab deploy` catches {them} up")
    if ahead := [name for name, answer in heard.items() if answer["lags"] and not answer["behind"]]:
        have = "has" if len(ahead) == 1 else "have"
        lines.append(
            f"{', '.join(ahead)} still {have} a release that the others went back from: `fab deploy` ends that"
        )
    return lines


def _are(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _health(answer: Answer) -> str:
    if answer["problem"]:
        return "unwell"
    return "healthy" if answer["processes"] or answer["servers"] else "-"


def _disk(disk: Mapping[str, int]) -> str:
    return f"{_percent(disk)}%, {size(disk['free'])} free"


def _percent(disk: Mapping[str, int]) -> int:
    """How much of a disk is used, rounded up, as `df` has it."""
    size = disk["used"] + disk["free"]
    return -(-disk["used"] * 100 // size) if size else 0


def size(count: float) -> str:
    """A number of bytes in a unit that leaves it short."""
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
    """The app's processes, and the web hosts that a balancer serves from."""
    runs = [_process(process) for process in answer["processes"]]
    if servers := [f"{server['name']} {server['status'].lower()}" for server in answer["servers"]]:
        runs.append(f"haproxy: {', '.join(servers)}")
    return ", ".join(runs) or "-"


def _process(process: Mapping[str, Any]) -> str:
    if process["state"] == "running":
        return f"{process['name']} up {ago(process['uptime'])}"
    return f"{process['name']} {process['state']}" if process["pid"] else f"{process['name']} down ({process['state']})"


def ago(seconds: int) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
