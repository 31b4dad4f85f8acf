"""`fab logs`: logs of the app's processes and of nginx, from all hosts."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ..agent.logs import NGINX
from ..connection import requests
from ..console import Console
from ..contract.events import Event
from ..errors import HostsmithError, InterruptedRunError, UsageError
from ..fab.task import TaskCall, task
from ..fleet import Fleet, Member
from ..inventory.processes import processes
from ..inventory.targets import Target

if TYPE_CHECKING:
    from ..settings import Settings


@task(
    help={
        "process": "Only the logs of this process, or of these: web,nginx; by default, of all the app's processes.",
        "lines": "How many of the last lines of each log.",
        "follow": "Continue with new lines until Ctrl-C.",
    },
    short={"lines": "n", "follow": "f"},
)
def logs(call: TaskCall, *, process: str | None = None, lines: str = "100", follow: bool = False) -> None:
    """Show the last lines of the logs of all hosts, merged by time."""
    wanted = _wanted(process, call.settings)
    number = _number(lines)
    chosen = [target for target in call.hosts() if _of_host(target, wanted)]
    if not chosen:
        raise UsageError(f"none of these hosts has logs of {', '.join(wanted)}; see `fab hosts`")
    # A host that waited for another would not be followed at all.
    with call.look(chosen, at_once=len(chosen) if follow else None, check=not follow) as fleet:
        ends = fleet.each(lambda member: _last(member, wanted, number))
        _show(ends, call.console)
        if follow and not ends:
            fleet.check()
        if follow and ends:
            call.console.failures(fleet.reports)
            _follow(fleet, wanted, {member: end["marks"] for member, end in ends.items()}, call.console)


def _wanted(process: str | None, settings: Settings) -> list[str]:
    """The logs that are asked for.

    :raises UsageError: there is no such process.
    """
    own = [name for name in settings.processes if name != "release"]
    if process is None:
        return own
    known = [*own, NGINX]
    wanted = [name.strip() for name in process.split(",")]
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"--process: found {name!r}, expected one of: {', '.join(known)}{hint}")
    return wanted


def _number(lines: str) -> int:
    if not lines.isdecimal():
        raise UsageError(f"-n: found {lines!r}, expected a number of lines, such as 100")
    return int(lines)


def _of_host(target: Target, wanted: list[str]) -> list[str]:
    here = [*processes(target.settings, target.roles), *([NGINX] if "web" in target.roles else [])]
    return [name for name in wanted if name in here]


def _last(member: Member, wanted: list[str], lines: int) -> Any:
    names = _of_host(member.target, wanted)
    return member.ask("log_lines", app=member.settings.app, names=names, lines=lines)


def _show(ends: dict[Member, Any], console: Console) -> None:
    """The last lines of all hosts; those of one host stay in their order where the times are the same."""
    found = [(at, member, name, text) for member, end in ends.items() for at, name, text in end["lines"]]
    for _, member, name, text in sorted(found, key=lambda line: line[0]):
        _line(member, name, text, console)


def _line(member: Member, name: str, text: str, console: Console) -> None:
    # A carriage return within a line would write over the name before it.
    line = text.removesuffix("\r").replace("\r", "?")
    console.output(member.label, "stdout", f"{name} | {line}\n".encode("utf-8", "surrogateescape"))


def _follow(fleet: Fleet, wanted: list[str], marks: dict[Member, dict[str, int]], console: Console) -> None:
    """Pass on what is written, until Ctrl-C."""

    def one(member: Member) -> None:
        def show(event: Event) -> None:
            if event["event"] == "log":
                for text in event["text"].removesuffix("\n").split("\n"):
                    _line(member, event["name"], text, console)

        try:
            member.session.request(
                requests.follow(member.settings.app, _of_host(member.target, wanted), marks[member]), show
            )
        except InterruptedRunError:
            pass
        except HostsmithError as error:
            # Said at once: the others may be followed for long.
            console.output(member.label, "stderr", f"{error}\n".encode())
            raise

    try:
        fleet.each(one, list(marks))
    except InterruptedRunError:
        return
