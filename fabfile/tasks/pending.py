"""`fab pending`: the commits that a deploy would bring."""

from __future__ import annotations

from typing import Any

from .. import views
from ..fab.task import JSON, TaskCall, task


@task(JSON, help={"revision": "Branch, tag or commit; by default, `revision` of the settings."})
def pending(call: TaskCall, revision: str | None = None) -> dict[str, dict[str, Any]]:
    """List the commits between the live release and what would be deployed."""
    with call.look(call.hosts()) as fleet:
        found = views.commits.pending_on(fleet, call.settings, revision)
    answers = views.listing.documents(fleet, found)
    call.document["hosts"] = answers
    if not answers:
        call.console.say(f"none of these hosts runs {call.settings.app}")
    views.listing.show(call.console, found)
    if note := views.commits.note_of(found.values()):
        call.console.say(note, style="yellow")
    return answers
