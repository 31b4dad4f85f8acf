"""`fab provision`: hosts brought to what their roles need."""

from __future__ import annotations

from .. import recipes
from ..converging import converge_targets
from ..errors import DriftError
from ..fab.task import JSON, TaskCall, task
from ..inventory.addresses import with_addresses
from ..report import Report


@task(
    JSON,
    help={
        "dry-run": "Show what would change, with diffs, and change nothing.",
        "check": f"As --dry-run, but exit with status {DriftError.exit_code} if something would change.",
    },
)
def provision(call: TaskCall, dry_run: bool = False, *, check: bool = False) -> list[Report]:
    """Bring hosts to what their roles need; safe to rerun."""
    settings = with_addresses(call.settings, call.c.config)
    hosts = call.hosts(settings)
    resources = {target.label: recipes.provision(target.settings, target.roles) for target in hosts}
    reports = converge_targets(
        hosts,
        settings,
        call.console,
        lambda target: resources[target.label],
        "`fab provision` again continues from there",
        "provision",
        dry_run=dry_run or check,
    )
    call.document["hosts"] = [report.to_json() for report in reports]
    if check and (changed := [report.host for report in reports if report.changed]):
        raise DriftError(f"not as it should be: {', '.join(changed)}", hosts=changed)
    return reports
