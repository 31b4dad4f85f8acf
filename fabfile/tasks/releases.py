"""`fab releases`: what has been deployed, and what can be gone back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import views
from ..console import Console, print_json
from ..deployment import migrations
from ..deployment.releases import short, state
from ..fab.task import task
from ..fleet.fleet import Fleet, Member
from ..hostkit.app.layout import Record
from ..inventory.project import load
from ..inventory.targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context

_STYLES = {"live": "bold green", "failed": "red", "bad": "red"}


@task(help={"json": "Print one JSON document instead of a table."})
def releases(
    c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None, json: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """List releases: revision, subject, who, when, and state."""
    settings = load(c)
    console = Console(quiet=json)
    found = [target for target in targets(c, settings, Limits(role, host, exclude)) if target.processes]
    with Fleet(found, console, settings.concurrency, None) as fleet:
        answers = fleet.each(_listing)
    listings = {member.label: rows for member, rows in answers.items()}
    if json:
        print_json(listings)
    if not found:
        console.say(f"none of these hosts runs {settings.app}")
    for names, rows in views.listing.alike(console, answers):
        _print(console, _title(names, len(found)), rows)
    fleet.check()
    return listings


def _listing(member: Member) -> list[dict[str, Any]]:
    found = member.session.ask("releases", app=member.settings.app)
    records = [Record(**data) for data in found["records"]]
    past = migrations.history([found])
    return [
        {
            **_row(record),
            "state": state(record, found["live"]),
            "migrations": past[record.id].applied if record.id in past else [],
        }
        for record in records
    ]


def _title(names: list[str], hosts: int) -> str:
    every = f"{hosts} hosts: " if len(names) == hosts > 1 else ""
    return every + ", ".join(names)


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "revision": record.revision,
        "subject": record.subject,
        "who": record.who,
        "created": record.created,
        "reason": record.reason,
    }


def _print(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.say(f"{title}: no releases yet; `fab deploy` makes the first")
        return
    console.say(f"{title}:", style="bold")
    columns = ("RELEASE", "STATE", "CREATED", "WHO", "REVISION", "SUBJECT")
    cells = [
        (row["id"], row["state"], row["created"], row["who"], short(row["revision"]), _subject(row))
        for row in reversed(rows)
    ]
    console.table(columns, cells, [_STYLES.get(row["state"]) for row in reversed(rows)])


def _subject(row: dict[str, Any]) -> str:
    count = len(row["migrations"])
    remarks = [row["reason"], f"{count} migration{'s' if count > 1 else ''}" if count else ""]
    told = "; ".join(remark for remark in remarks if remark)
    return f"{row['subject']} ({told})" if told else str(row["subject"])
