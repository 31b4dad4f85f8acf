"""`fab provision`: bring hosts to what their roles need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import recipes
from ..console import Console
from ..converging import work_through
from ..errors import DriftError
from ..fab.task import task
from ..inventory.addresses import with_addresses
from ..inventory.project import load
from ..inventory.targets import Limits, targets
from ..report import Report

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
    resources = {target.label: recipes.provision(target.settings, target.roles) for target in hosts}

    reports = work_through(
        hosts,
        settings,
        console,
        lambda target: resources[target.label],
        "`fab provision` again goes on from there",
        "provision",
        dry_run=dry_run or check,
    )
    if check and (changed := [report.host for report in reports if report.changed]):
        raise DriftError(f"not as it should be: {', '.join(changed)}")
    return reports
