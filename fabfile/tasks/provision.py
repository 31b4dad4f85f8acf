"""`fab provision`: bring hosts to what their roles need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console import Console, print_json
from ..converge import run
from ..errors import ConvergeError, DriftError
from ..recipes import provision as recipe
from ..report import Report
from ..session import Session
from ..settings import load
from .base import Target, targets, task

if TYPE_CHECKING:
    from invoke.context import Context

    from ..settings import Settings


@task(
    help={
        "dry-run": "Say what would change, with diffs, and touch nothing.",
        "check": "As --dry-run, but exit with 2 when something would change.",
        "json": "Print one JSON document instead of lines.",
    }
)
def provision(c: Context, dry_run: bool = False, check: bool = False, json: bool = False) -> list[Report]:
    """Bring hosts to what their roles need; safe to rerun."""
    settings = load(c)
    console = Console(quiet=json)
    reports = []
    for target in targets(c, settings):
        reports.append(_provision_one(settings, target, console, dry_run or check))
        if not reports[-1].ok:
            break
    if json:
        print_json([report.to_json() for report in reports])
    for report in reports:
        if not report.ok:
            raise ConvergeError(f"provision failed on {report.host}; `fab provision` again goes on from there")
    if check and any(report.changed for report in reports):
        raise DriftError(f"not as it should be: {', '.join(report.host for report in reports if report.changed)}")
    return reports


def _provision_one(settings: Settings, target: Target, console: Console, dry_run: bool) -> Report:
    resources = recipe(settings, target.roles)
    with Session(target.connection) as session:
        if not dry_run:
            session.lock("provision", settings.lock_timeout, console.note)
        return run(session, resources, settings.project, console, dry_run=dry_run, what="provision")
