"""`fab restart`: a restart of the live release, or of one of its workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..fab.task import JSON, SKIP_UNREACHABLE, TaskCall, task
from ..fleet import Member
from ..report import Report

if TYPE_CHECKING:
    from ..settings import Settings


@task(
    SKIP_UNREACHABLE,
    JSON,
    arguments="[PROCESS]",
    help={
        "words": "The process, such as worker; by default, all of the app.",
        "yes": "Do not ask before values of one host replace those of others.",
    },
)
def restart(call: TaskCall, words: Sequence[str] = (), *, yes: bool = False) -> list[Report]:
    """Restart the app without downtime, or restart one worker process in place."""
    process = _process(words, call.settings)
    if process is not None and process != "web":
        return _restart_in_place(call, process)
    return call.redeploy("restart", lambda current: current.again("restart", current.variables), yes)


def _process(words: Sequence[str], settings: Settings) -> str | None:
    known = [name for name in settings.processes if name != "release"]
    if len(words) > 1 or not set(words) <= set(known):
        raise UsageError(f"found {' '.join(words)!r}, expected one process out of: {', '.join(known)}")
    return words[0] if words else None


def _restart_in_place(call: TaskCall, process: str) -> list[Report]:
    """Restart a process that serves no visitors where it runs."""
    hosts = [target for target in call.hosts() if process in target.processes]
    if not hosts:
        raise UsageError(f"no host runs {process}; see `fab hosts`")
    # It loads the interface of supervisord.
    from ..resources.release.restarted import Restarted

    app = call.settings.app

    def one(member: Member) -> None:
        live = member.ask("live_release", app=app)
        if live is None:
            raise UsageError("no release is live; `fab deploy` first")
        if member.converge("restart", [Restarted(app, live["id"], process)]).done:
            member.report.verdict = "restarted"

    with call.deployment("restart", hosts) as deployment:
        deployment.reach()
        deployment.lock()
        deployment.fleet.each(one)
        deployment.fleet.require(f"{process} was not restarted on all hosts")
    return deployment.reports
