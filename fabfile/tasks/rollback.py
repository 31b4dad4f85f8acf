"""`fab rollback`: back to a release that was healthy on all hosts."""

from __future__ import annotations

from typing import Any

from ..connection import requests
from ..connection.requests import whoami
from ..deployment import migrations
from ..deployment.deployment import Answers, Rollout
from ..deployment.releases import shared, to_go_back_to
from ..errors import ReleaseError
from ..fab.task import BATCH, JSON, SKIP_UNREACHABLE, TaskCall, task
from ..fleet import Member
from ..hostkit.app.layout import Record
from ..report import Report


@task(
    BATCH,
    SKIP_UNREACHABLE,
    JSON,
    help={
        "to": "Id of the release, or its beginning, or the beginning of its revision; by default, the newest proven "
        "release before the live one.",
        "yes": "Roll back past migrations without asking.",
    },
)
def rollback(call: TaskCall, to: str | None = None, *, yes: bool = False) -> list[Report]:
    """Roll back to the last release that was healthy: all hosts or none."""
    app, chosen = call.settings.app, list[Record]()

    def choose(answers: Answers) -> Rollout:
        found: dict[Member, Any] = {member: answer for member, (answer,) in answers.items()}
        record = _earlier(found, to)
        unknown = migrations.unknown_to(record.id, migrations.history(found.values()))
        if unknown and not yes and not call.console.agrees(_question(record, unknown)):
            raise ReleaseError("rollback cancelled; nothing has changed")
        chosen.append(record)
        previous = {member: host["live"] for member, host in found.items()}
        return Rollout(record.id, previous, retire=f"rolled back by {whoami()}")

    with call.deployment("rollback") as deployment:
        deployment.run(choose, [requests.ask("releases", app=app)])
    (record,) = chosen
    call.document["release"] = record.id
    call.console.say(f"{app}: release {record.id} is live again ({record.subject})", style="bold green")
    call.console.say("Database migrations are not undone: the code was rolled back, the data was not.")
    return deployment.reports


def _earlier(found: dict[Member, Any], to: str | None) -> Record:
    """Choose the release.

    :raises ReleaseError: there is no such release on all hosts.
    """
    records = shared([[Record(**data) for data in host["records"]] for host in found.values()])
    # Hosts may differ: one may have been rolled back already by a run that was cut off, or not have been updated.
    live = max((host["live"] for host in found.values() if host["live"]), default=None)
    return to_go_back_to(records, live, to)


def _question(record: Record, unknown: list[str]) -> str:
    return (
        f"the database has had migrations since {record.id} that this release does not know, and that a rollback does "
        f"not undo: {', '.join(unknown)}; roll back anyway?"
    )
