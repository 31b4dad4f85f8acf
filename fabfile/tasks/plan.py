"""`fab plan`: all that the next deploy and the next provision would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..addresses import with_addresses
from ..console import Console, print_json
from ..environment import variables
from ..environment.services import of_services_to_be
from ..errors import DriftError
from ..fleet import Fleet
from ..settings import load
from ..targets import Limits, targets
from ..views.changes import plan_of
from ..views.commits import note_of, pending_on
from ..views.listing import documents, show
from .base import task

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
    given = variables.given(settings)
    console = Console(quiet=json)
    with Fleet(targets(c, settings, Limits(role, host, exclude)), console, settings.concurrency, None) as fleet:
        pending = pending_on(fleet, settings, revision)
        given = given.over(of_services_to_be(c, settings, fleet))
        plans = fleet.each(lambda member: plan_of(member, pending.get(member), given))
    answers = documents(fleet, plans)
    if json:
        print_json(answers)
    to_do = [member.label for member, plan in plans.items() if plan.is_something]
    if to_do:
        show(console, plans)
    elif plans:
        names = ", ".join(console.name(member.label) for member in plans)
        console.say(f"{names}: nothing to do", style="green")
    if note := note_of(pending.values()):
        console.say(note, style="yellow")
    fleet.check()
    if check and to_do:
        raise DriftError(f"there is something to do on {', '.join(to_do)}")
    return answers
