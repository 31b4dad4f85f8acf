"""`fab pending`: the commits that a deploy would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import views
from ..console import Console, print_json
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..inventory.project import load
from ..inventory.targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    help={
        "revision": "Branch, tag or commit that would be deployed; without it, `revision` of the settings.",
        "json": "Print one JSON document instead of lines.",
    }
)
def pending(
    c: Context,
    revision: str | None = None,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> dict[str, dict[str, Any]]:
    """List the commits between what is live and what would go live."""
    settings = load(c)
    console = Console(quiet=json)
    with Fleet(targets(c, settings, Limits(role, host, exclude)), console, settings.concurrency, None) as fleet:
        found = views.commits.pending_on(fleet, settings, revision)
    answers = views.listing.documents(fleet, found)
    if json:
        print_json(answers)
    if not answers:
        console.say(f"none of these hosts runs {settings.app}")
    views.listing.show(console, found)
    if note := views.commits.note_of(found.values()):
        console.say(note, style="yellow")
    fleet.check()
    return answers
