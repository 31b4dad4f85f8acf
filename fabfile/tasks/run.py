"""`fab run`: a command on the hosts, run as the app is run."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from ..console import Console
from ..contract.events import Event
from ..errors import HostsmithError, InterruptedRunError, UsageError
from ..fab import remainder
from ..fab.task import FleetTask, task
from ..fleet.fleet import Fleet, Member
from ..inventory.project import load
from ..inventory.targets import Limits, Target, primary, targets, with_app

if TYPE_CHECKING:
    from invoke.context import Context

    from ..settings import Settings


class CommandTask(FleetTask):
    """A task that takes what stands after `--`."""

    takes_remainder = True


@task(klass=CommandTask, help={"once": "Only on one host: the primary one, or else the first that runs the app."})
def run(
    c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None, once: bool = False
) -> dict[str, int]:
    """Run the command after `--` in the app's environment and release folder."""
    return run_command(c, _argv(remainder.words()), Limits(role, host, exclude), once=once)


def run_command(c: Context, argv: list[str], limits: Limits, *, once: bool) -> dict[str, int]:
    """Run a command as the app is run; returns its exit status on each host, when all are 0.

    :param once: only on one host.
    :raises Exit: with an exit status that is not 0.
    """
    settings = load(c)
    console = Console()
    with Fleet(chosen(c, settings, limits, once=once), console, settings.concurrency, None) as fleet:
        try:
            statuses = fleet.each(lambda member: _run(member, argv, console))
        except InterruptedRunError:
            raise InterruptedRunError("interrupted; the command has been ended where it still ran") from None
    found = {member.label: status for member, status in statuses.items()}
    _judge(fleet, console, found)
    return found


def _argv(words: list[str]) -> list[str]:
    """The command; a single word that is more than the name of a program is one for the shell."""
    if not words:
        raise UsageError(
            "found no command, expected one after --, such as `fab run -- python manage.py check` "
            "or, with a shell, `fab run -- 'ls | wc -l'`"
        )
    is_for_shell = len(words) == 1 and re.search(r"[\s|&;<>()$`\\\"'*?]", words[0])
    return ["sh", "-c", *words] if is_for_shell else words


def chosen(c: Context, settings: Settings, limits: Limits, *, once: bool) -> list[Target]:
    """The hosts that run the app, or the one of them that does for all what is done once."""
    found = with_app(targets(c, settings, limits))
    return [first for first in [primary(found)] if first] if once else found


def _run(member: Member, argv: list[str], console: Console) -> int:
    def show(event: Event) -> None:
        if event["event"] == "output":
            console.output(member.label, event["stream"], base64.b64decode(event["data"]))

    status = member.session.run(member.settings.app, argv, show)
    console.output_end(member.label)
    return status


def _judge(fleet: Fleet, console: Console, statuses: dict[str, int]) -> None:
    """Pass on how the command ended.

    :raises Exit: with the exit status of the first host on which it is not 0, or 1 when a host could not run it.
    """
    failed = {label: status for label, status in statuses.items() if status}
    problems = []
    if len(fleet.members) > 1:
        problems += [f"{console.name(label)}: exit status {status}" for label, status in failed.items()]
    try:
        fleet.check()
    except HostsmithError as error:
        problems.append(str(error))
    if failed or problems:
        raise Exit("\n".join(problems) or None, next(iter(failed.values()), 1))
