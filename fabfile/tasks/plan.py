"""`fab plan`: all that the next deploy and the next provision would change."""

from __future__ import annotations

from typing import Any

from .. import environment, views
from ..deployment import service_variables
from ..errors import DriftError
from ..fab.task import JSON, TaskCall, task
from ..inventory.addresses import with_addresses


@task(
    JSON,
    help={
        "revision": "Branch, tag or commit; by default, `revision` of the settings.",
        "check": f"Exit with status {DriftError.exit_code} if something would change.",
    },
)
def plan(call: TaskCall, revision: str | None = None, *, check: bool = False) -> dict[str, dict[str, Any]]:
    """Show what a deploy and a provision would change; changes nothing."""
    settings = with_addresses(call.settings, call.c.config)
    given = environment.variables.given(settings)
    with call.look(call.hosts(settings)) as fleet:
        pending = views.commits.pending_on(fleet, settings, revision)
        given = given.over(service_variables.of_services_to_be(call.c, settings, fleet))
        plans = fleet.each(lambda member: views.changes.plan_of(member, pending.get(member), given))
    answers = views.listing.documents(fleet, plans)
    call.document["hosts"] = answers
    changing = [member.label for member, plan in plans.items() if plan.is_something]
    if changing:
        views.listing.show(call.console, plans)
    elif plans:
        names = ", ".join(call.console.name(member.label) for member in plans)
        call.console.say(f"{names}: nothing to do", style="green")
    if note := views.commits.note_of(pending.values()):
        call.console.say(note, style="yellow")
    fleet.check()
    if check and changing:
        raise DriftError(f"there is something to do on {', '.join(changing)}", hosts=changing)
    return answers
