"""`fab provision`: bring hosts to what their roles need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..addresses import with_addresses
from ..console import Console, print_json
from ..errors import DriftError
from ..fleet import Fleet, Member
from ..recipes import provision as recipe
from ..report import Report
from ..rollout import told
from ..settings import load
from ..targets import Limits, targets
from .base import task

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    help={
        "dry-run": "Say what would change, with diffs, and touch nothing.",
        "check": "As --dry-run, but exit with 2 when something would change.",
        "json": "Print one JSON document instead of lines.",
    }
)
def provision(
    c: Context,
    dry_run: bool = False,
    check: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Bring hosts to what their roles need; safe to rerun."""
    settings = with_addresses(load(c), c.config)
    console = Console(quiet=json)
    hosts = targets(c, settings, Limits(role, host, exclude))
    resources = {target.label: recipe(target.settings, target.roles) for target in hosts}
    reports: list[Report] = []

    def work(member: Member) -> None:
        if dry_run or check:
            member.plan("provision", resources[member.label])
        else:
            member.lock("provision", settings.lock_timeout)
            member.converge("provision", resources[member.label])
        member.leave()
        console.host_summary(member.report)

    try:
        with told(console, reports, "provision") as document:
            with Fleet(hosts, console, settings.concurrency, "provision", dry_run=dry_run or check) as fleet:
                reports += fleet.reports
                fleet.each(work)
            fleet.require("`fab provision` again goes on from there")
    finally:
        if json:
            print_json(document)
    if check and any(report.changed for report in reports):
        raise DriftError(f"not as it should be: {', '.join(report.host for report in reports if report.changed)}")
    return reports
