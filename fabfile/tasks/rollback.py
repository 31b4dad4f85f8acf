"""`fab rollback`: back to a release that was proven healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent.layout import Record
from ..console import Console, print_json
from ..converge import run
from ..errors import ConvergeError
from ..recipes.release import live
from ..release import to_go_back_to
from ..report import Report
from ..session import Session, whoami
from ..settings import load
from .base import Target, targets, task

if TYPE_CHECKING:
    from invoke.context import Context

    from ..settings import Settings


@task(
    help={
        "to": "Id of the release, or its beginning, or the beginning of its revision; without it, the newest proven "
        "one before the live one.",
        "json": "Print one JSON document instead of lines.",
    }
)
def rollback(c: Context, to: str | None = None, json: bool = False) -> list[Report]:
    """Go back to the last release that was proven healthy."""
    settings = load(c)
    console = Console(quiet=json)
    reports: list[Report] = []
    record: Record | None = None
    for target in targets(c, settings):
        report, record = _roll_back_one(settings, target, to, record.id if record else None, console)
        reports.append(report)
        if not report.ok:
            break
    if json:
        print_json({"release": record.id if record else None, "hosts": [report.to_json() for report in reports]})
    for report in reports:
        if not report.ok:
            raise ConvergeError(f"rollback failed on {report.host}; what was live there before is live still")
    if record:
        console.say(f"{settings.app}: release {record.id} is live again ({record.subject})", style="bold green")
        console.say("Database migrations are not undone: the code went back, the data did not.")
    return reports


def _roll_back_one(
    settings: Settings, target: Target, to: str | None, chosen: str | None, console: Console
) -> tuple[Report, Record]:
    """One host, to the release that was chosen on the first."""
    with Session(target.connection) as session:
        session.lock("rollback", settings.lock_timeout, console.note)
        found: dict[str, Any] = session.ask("releases", app=settings.app)
        records = [Record(**data) for data in found["records"]]
        # A host that an earlier, cut-off rollback took back already has nothing to do.
        there = [record for record in records if record.id == chosen and record.id == found["live"]]
        record = there[0] if there else to_go_back_to(records, found["live"], chosen or to)
        # A release that one goes forward to is no reason to call the one before it bad.
        retire = f"rolled back by {whoami()}" if record.id < found["live"] else None
        resources = [live(settings, target.roles, record.id, retire)]
        what = f"rollback {settings.app} to {record.id}"
        return run(session, resources, settings.project, console, what=what), record
