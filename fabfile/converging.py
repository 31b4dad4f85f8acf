"""Convergence of one host or many, without a release."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .connection import requests
from .connection.requests import Request
from .connection.session import open_session
from .console import Console
from .contract.events import Event
from .errors import ConvergeError, UsageError
from .fleet import Fleet, Member
from .fleet.summary import summarized
from .inventory.project import load
from .inventory.targets import Limits, targets
from .rendering.rendered import rendered
from .report import Report
from .settings.fabric_config import project_folder

if TYPE_CHECKING:
    from fabric import Connection
    from invoke.context import Context

    from .contract.base import Resource
    from .inventory.targets import Target
    from .settings import Settings

LOCK_TIMEOUT = 30.0


def converge(c: Connection, resources: Sequence[Resource], *, dry_run: bool = False) -> Report:
    """Bring the host of a connection to a desired state, in one exec; for a project's own tasks.

    Prints what changes as it happens.

    :param dry_run: show what would change, and change nothing.
    :returns: what changed.
    :raises ConvergeError: a resource failed, and what it had begun has been undone; `report` has all results.
    :raises ConnectError, LockedError, AgentError: the host is unreachable, in use, or gave up.

    >>> from hostsmith import File, converge, task
    >>> @task
    ... def motd(c):
    ...     converge(c, [File("/etc/motd", "Welcome.\\n")])
    """
    if not hasattr(c, "transport"):
        raise UsageError('there is no host to converge: run with `fab -H user@host`, or use `@task(hosts=role("web"))`')
    console = Console()
    with open_session(c) as session:
        report = Report(session.host, dry_run=dry_run)
        files = rendered(resources, project_folder(c.config), report.host)

        def on_event(event: Event) -> None:
            report.add(event)
            console.event(report.host, event)

        start = time.monotonic()
        with console.fleet([report.host], "converge", dry_run):
            console.phase(report.host, "converge", len(files))
            done = session.together(_requests(files, dry_run), on_event)
        # Only a plan or a convergence answers with one.
        if False in done and not report.failed:
            report.error = "interrupted"
        report.seconds = round(time.monotonic() - start, 3)
        console.host_summary(report)
    if not report.ok:
        raise ConvergeError(f"{report.host}: {report.problem()}", host=report.host, report=report)
    return report


def _requests(files: Sequence[Resource], dry_run: bool) -> list[Request[Any]]:
    if dry_run:
        return [requests.plan(files)]
    return [requests.lock("converge", LOCK_TIMEOUT), requests.converge(files), requests.unlock()]


def converge_all(
    c: Context, resources: Sequence[Resource], *, role: str | None = None, dry_run: bool = False
) -> list[Report]:
    """Bring all hosts of the roles to a desired state, at the same time, one exec each; for a project's own tasks.

    Prints what changes as it happens. If one host fails, the others go on.

    :param c: the task's context; with the connection of a single host, as after `-H`, that host alone.
    :param role: only hosts of this role, or of these: "web,worker".
    :param dry_run: show what would change, and change nothing.
    :returns: what changed, host by host.
    :raises SettingsError, UsageError: there is no such role, or it has no hosts.
    :raises FleetError: a host failed, and what it had begun has been undone; `reports` has those of all hosts.
    """
    settings = load(c)
    hosts = targets(c, settings, Limits(role))
    otherwise = "the same task again continues from there"
    return converge_targets(
        hosts, settings, Console(), lambda target: resources, otherwise, "converge", dry_run=dry_run
    )


def converge_targets(
    hosts: Sequence[Target],
    settings: Settings,
    console: Console,
    resources: Callable[[Target], Sequence[Resource]],
    otherwise: str,
    what: str,
    *,
    dry_run: bool,
) -> list[Report]:
    """Bring each of these hosts to its desired state, and print a summary.

    :param resources: of a host; called in a thread of the host's.
    :param otherwise: what a failure means for the run.
    :param what: the run, for people to read.
    :returns: what changed, host by host.
    :raises FleetError: something failed on a host.
    """

    def work(member: Member) -> None:
        wanted = resources(member.target)
        if dry_run:
            member.plan(what, wanted)
        else:
            lock = requests.lock(what, settings.lock_timeout)
            member.converge(what, wanted, before=[lock], after=[requests.unlock()])
        member.leave()
        console.host_summary(member.report)

    with summarized(console, what) as reports:
        with Fleet(hosts, console, settings.concurrency, what, dry_run=dry_run) as fleet:
            reports += fleet.reports
            fleet.each(work)
        fleet.require(otherwise)
    return reports
