"""Converge a host: send it resources, read back what changed, print it as it happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .connection.session import Session
from .console import Console
from .contract.events import Event
from .errors import ConvergeError, UsageError
from .rendering.rendered import rendered
from .report import Report
from .settings.fabric_config import project_folder

if TYPE_CHECKING:
    from fabric import Connection

    from .contract.base import Resource

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
