"""`fab restart`: the processes of the live release started anew, without a request or a job that is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console import Console
from ..deployment.deployment import underway
from ..deployment.redeploy import Live, SameCode
from ..errors import UsageError
from ..fab import words as command_line
from ..fab.task import task
from ..fleet.fleet import Member
from ..fleet.summary import told
from ..inventory.project import load
from ..inventory.targets import Limits, targets
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..settings import Settings


@task(
    help={
        "words": "Written without the flag: the process, such as worker; without it, all of the app.",
        "skip-unreachable": "Go on without hosts that are away.",
        "yes": "Do not ask before values of one host replace those of others.",
        "json": "Print one JSON document instead of lines.",
    }
)
def restart(
    c: Context,
    words: str = "",
    skip_unreachable: bool = False,
    yes: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Start the app anew beside itself and switch, or one of its other processes where it is."""
    settings = load(c)
    limits = Limits(role, host, exclude)
    process = _process(command_line.split(words), settings)
    if process is not None and process != "web":
        return _in_place(c, settings, limits, process, skip_unreachable, json)

    def work(live: Live) -> str:
        return live.again("restart", live.variables)

    return SameCode(c, settings, limits, skip_unreachable=skip_unreachable, json=json, yes=yes).run("restart", work)


def _process(words: list[str], settings: Settings) -> str | None:
    known = [name for name in settings.processes if name != "release"]
    if len(words) > 1 or not set(words) <= set(known):
        raise UsageError(f"found {' '.join(words)!r}, expected one process out of: {', '.join(known)}")
    return words[0] if words else None


def _in_place(
    c: Context, settings: Settings, limits: Limits, process: str, skip_unreachable: bool, json: bool
) -> list[Report]:
    """Have a process that serves nobody end and start again where it runs."""
    hosts = [target for target in targets(c, settings, limits) if process in target.processes]
    if not hosts:
        raise UsageError(f"found no host that runs {process}, expected one or more; see `fab hosts`")
    # It takes with it how supervisor is spoken to.
    from ..resources.release.restarted import Restarted

    console = Console(quiet=json)

    def one(member: Member) -> None:
        live = member.session.ask("live_release", app=settings.app)
        if live is None:
            raise UsageError("found no release, expected a live one; `fab deploy` first")
        if member.converge("restart", [Restarted(settings.app, live["id"], process)]):
            member.report.verdict = "restarted"

    with (
        told(console, "restart") as outcome,
        underway(c, settings, hosts, console, outcome, skip_unreachable=skip_unreachable) as run,
    ):
        run.fleet.each(one)
        run.fleet.require(f"{process} was not started again everywhere")
    return outcome.reports
