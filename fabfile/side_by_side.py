"""`converge_all`: what `converge` is for one host, for many of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .console import Console
from .fleet import Fleet, Member
from .outcome import told
from .report import Report
from .settings import load
from .targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context

    from .resources.base import Resource


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
    console = Console()
    hosts = targets(c, settings, Limits(role))

    def work(member: Member) -> None:
        if dry_run:
            member.plan("converge", resources)
        else:
            member.lock("converge", settings.lock_timeout)
            member.converge("converge", resources)
        member.leave()
        console.host_summary(member.report)

    with told(console, "converge") as outcome:
        with Fleet(hosts, console, settings.concurrency, "converge", dry_run=dry_run) as fleet:
            outcome.reports += fleet.reports
            fleet.each(work)
        fleet.require("the same task again goes on from there")
    return outcome.reports
