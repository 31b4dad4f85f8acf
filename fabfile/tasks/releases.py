"""`fab releases`: what has been deployed, and what can be gone back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent.layout import Record
from ..console import Console, print_json
from ..release import state
from ..session import Session
from ..settings import load
from .base import targets, task

if TYPE_CHECKING:
    from invoke.context import Context

_STYLES = {"live": "bold green", "failed": "red", "bad": "red"}


@task(help={"json": "Print one JSON document instead of a table."})
def releases(c: Context, json: bool = False) -> dict[str, list[dict[str, Any]]]:
    """List releases: revision, subject, who, when, and state."""
    settings = load(c)
    console = Console(quiet=json)
    listing: dict[str, list[dict[str, Any]]] = {}
    for target in targets(c, settings):
        with Session(target.connection) as session:
            found = session.ask("releases", app=settings.app)
        records = [Record(**data) for data in found["records"]]
        listing[session.host] = [{**_row(record), "state": state(record, found["live"])} for record in records]
        _print(console, session.host, listing[session.host])
    if json:
        print_json(listing)
    return listing


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "revision": record.revision,
        "subject": record.subject,
        "who": record.who,
        "created": record.created,
        "reason": record.reason,
    }


def _print(console: Console, host: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.say(f"{host}: no releases yet; `fab deploy` makes the first")
        return
    console.say(f"{host}:", style="bold")
    columns = ("RELEASE", "STATE", "CREATED", "WHO", "REVISION", "SUBJECT")
    cells = [
        (row["id"], row["state"], row["created"], row["who"], _short(row["revision"]), _subject(row))
        for row in reversed(rows)
    ]
    console.table(columns, cells, [_STYLES.get(row["state"]) for row in reversed(rows)])


def _short(revision: str) -> str:
    commit, plus, rest = revision.partition("+")
    return commit[:10] + plus + rest


def _subject(row: dict[str, Any]) -> str:
    return f"{row['subject']} ({row['reason']})" if row["reason"] else str(row["subject"])
