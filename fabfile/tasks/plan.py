"""`fab plan`: all that the next deploy and the next provision would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import environment, views
from ..console import Console, print_json
from ..deployment import service_variables
from ..errors import DriftError
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..inventory.addresses import with_addresses
from ..inventory.project import load
from ..inventory.targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    help={
        "revision": "Branch, tag or commit that would be deployed; without it, `revision` of the settings.",
        "check": "Exit with 2 when there is something to do.",
        "json": "Print one JSON document instead of lines.",
    }
)
def plan(
    c: Context,
    revision: str | None = None,
    check: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Show what a deploy and a provision would change; touches nothing."""
    settings = with_addresses(load(c), c.config)
    given = environment.variables.given(settings)
    console = Console(quiet=json)
    with Fleet(targets(c, settings, Limits(role, host, exclude)), console, settings.concurrency, None) as fleet:
        pending = views.commits.pending_on(fleet, settings, revision)
        given = given.over(service_variables.of_services_to_be(c, settings, fleet))
        plans = fleet.each(lambda member: views.changes.plan_of(member, pending.get(member), given))
    answers = views.listing.documents(fleet, plans)
    if json:
        print_json(answers)
    to_do = [member.label for member, plan in plans.items() if plan.is_something]
    if to_do:
        views.listing.show(console, plans)
    elif plans:
        names = ", ".join(console.name(member.label) for member in plans)
        console.say(f"{names}: nothing to do", style="green")
    if note := views.commits.note_of(pending.values()):
        console.say(note, style="yellow")
    fleet.check()
    if check and to_do:
        raise DriftError(f"there is something to do on {', '.join(to_do)}")
    return answers
