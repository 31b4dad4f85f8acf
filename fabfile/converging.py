"""Hosts brought to a desired state, one or many: for `fab provision` and for a project's own tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .connection.session import Session
from .console import Console
from .contract.events import Event
from .errors import ConvergeError, UsageError
from .fleet.fleet import Fleet, Member
from .fleet.summary import told
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
    """Bring the host of a connection to the desired state, in one exec; for a project's own tasks.

    Prints what changes as it happens.

    :param dry_run: say what would change, and touch nothing.
    :returns: what changed.
    :raises ConvergeError: a resource failed; what it had begun has been put back.
    :raises ConnectError, LockedError, AgentError: the host was not reached, is in use, or gave up.
    """
    if not hasattr(c, "transport"):
        raise UsageError('there is no host to converge: run with `fab -H user@host`, or use `@task(hosts=role("web"))`')
    console = Console()
    with Session(c) as session:
        report = Report(session.host, dry_run=dry_run)
        files = rendered(resources, project_folder(c.config), report.host)

        def on_event(event: Event) -> None:
            report.add(event)
            console.event(report.host, event)

        start = time.monotonic()
        with console.fleet([report.host], "converge", dry_run):
            console.phase(report.host, "converge", len(files))
            if dry_run:
                done = session.plan(files, on_event)
            else:
                done = session.converge_alone("converge", LOCK_TIMEOUT, files, on_event)
        if not done and not report.failed:
            report.error = "interrupted"
        report.seconds = round(time.monotonic() - start, 3)
        console.host_summary(report)
    if not report.ok:
        raise ConvergeError(f"{report.host}: {report.problem()}")
    return report


def converge_all(
    c: Context, resources: Sequence[Resource], *, role: str | None = None, dry_run: bool = False
) -> list[Report]:
    """Bring all hosts of the roles to the desired state, side by side, one exec each; for a project's own tasks.

    Prints what changes as it happens. What fails on one host is no reason for the others to stop.

    :param c: what the task was given; with the connection of a single host, as after `-H`, that host alone.
    :param role: only hosts of this role, or of these: "web,worker".
    :param dry_run: say what would change, and touch nothing.
    :returns: what changed, host by host.
    :raises SettingsError, UsageError: there is no such role, or it has no hosts.
    :raises FleetError: something failed on a host; what that one had begun has been put back.
    """
    settings = load(c)
    hosts = targets(c, settings, Limits(role))
    otherwise = "the same task again goes on from there"
    return work_through(hosts, settings, Console(), lambda target: resources, otherwise, "converge", dry_run=dry_run)


def work_through(
    hosts: Sequence[Target],
    settings: Settings,
    console: Console,
    resources: Callable[[Target], Sequence[Resource]],
    otherwise: str,
    what: str,
    *,
    dry_run: bool,
) -> list[Report]:
    """Bring hosts to the state that each is to have, and tell of it.

    :param resources: what a host is to be; called in a thread of the host's.
    :param otherwise: what it means when not all have come to it.
    :param what: what is being done, for people to read.
    :returns: what changed, host by host.
    :raises FleetError: something failed on a host.
    """

    def work(member: Member) -> None:
        if dry_run:
            member.plan(what, resources(member.target))
        else:
            member.converge_alone(what, settings.lock_timeout, resources(member.target))
        member.leave()
        console.host_summary(member.report)

    with told(console, what) as outcome:
        with Fleet(hosts, console, settings.concurrency, what, dry_run=dry_run) as fleet:
            outcome.reports += fleet.reports
            fleet.each(work)
        fleet.require(otherwise)
    return outcome.reports
