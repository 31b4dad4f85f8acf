"""Hosts brought to their state side by side, none of which waits for another: what `fab provision` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .console import Console
from .fleet.fleet import Fleet, Member
from .fleet.summary import told
from .inventory.targets import Limits, targets
from .report import Report
from .settings import load

if TYPE_CHECKING:
    from invoke.context import Context

    from .contract.base import Resource
    from .inventory.targets import Target
    from .settings import Settings


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
