"""`fab releases`: releases of the app, and their states."""

from __future__ import annotations

from typing import Any

from .. import views
from ..console import Console
from ..deployment import migrations
from ..deployment.releases import short, state
from ..fab.task import JSON, TaskCall, task
from ..fleet import Member
from ..hostkit.app.layout import Record

_STYLES = {"live": "bold green", "failed": "red", "bad": "red"}


@task(JSON)
def releases(call: TaskCall) -> dict[str, list[dict[str, Any]]]:
    """List releases: revision, subject, who, when, and state."""
    hosts = [target for target in call.hosts() if target.processes]
    with call.look(hosts) as fleet:
        found = fleet.each(_listing)
    answers = {member.label: rows for member, rows in found.items()}
    call.document["hosts"] = answers
    if not hosts:
        call.console.say(f"none of these hosts runs {call.settings.app}")
    for names, rows in views.listing.alike(call.console, found):
        _print(call.console, _title(names, len(hosts)), rows)
    return answers


def _listing(member: Member) -> list[dict[str, Any]]:
    found = member.ask("releases", app=member.settings.app)
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
