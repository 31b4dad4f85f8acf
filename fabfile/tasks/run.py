"""`fab run`: a command on the hosts, run as the app is run."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from ..connection import requests
from ..console import Console
from ..contract.events import Event
from ..errors import HostsmithError, InterruptedRunError, UsageError
from ..fab import remainder
from ..fab.task import TaskCall, task
from ..fleet import Fleet, Member
from ..inventory.targets import primary

if TYPE_CHECKING:
    from ..inventory.targets import Target


@task(
    takes_remainder=True,
    help={"once": "Only on one host: the primary one, or else the first that runs the app."},
)
def run(call: TaskCall, *, once: bool = False) -> dict[str, int]:
    """Run the command after `--` in the app's environment and release folder."""
    return run_command(call, _argv(remainder.words()), once=once)


def run_command(call: TaskCall, argv: list[str], *, once: bool) -> dict[str, int]:
    """Run a command as the app is run; returns its exit status on each host, when all are 0.

    :param once: only on one host.
    :raises Exit: with an exit status that is not 0.
    """
    with call.look(chosen(call, once=once), check=False) as fleet:
        try:
            statuses = fleet.each(lambda member: _run(member, argv, call.console))
        except InterruptedRunError:
            raise InterruptedRunError("interrupted; the command has been ended where it still ran") from None
    found = {member.label: status for member, status in statuses.items()}
    _judge(fleet, call.console, found)
    return found


def _argv(words: list[str]) -> list[str]:
    """The command; a single word that is more than the name of a program is one for the shell."""
    if not words:
        raise UsageError(
            "there is no command; write one after --, such as `fab run -- python manage.py check` "
            "or, with a shell, `fab run -- 'ls | wc -l'`"
        )
    is_for_shell = len(words) == 1 and re.search(r"[\s|&;<>()$`\\\"'*?]", words[0])
    return ["sh", "-c", *words] if is_for_shell else words


def chosen(call: TaskCall, *, once: bool) -> list[Target]:
    """Choose the hosts that run the app, or the one of them that runs what runs once for all."""
    found = call.app_hosts()
    return [first for first in [primary(found)] if first] if once else found


def _run(member: Member, argv: list[str], console: Console) -> int:
    def show(event: Event) -> None:
        if event["event"] == "output":
            console.output(member.label, event["stream"], base64.b64decode(event["data"]))

    status = member.session.request(requests.run(member.settings.app, argv), show)
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
