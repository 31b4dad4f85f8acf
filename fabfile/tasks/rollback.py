"""`fab rollback`: back to a release that was proven healthy on all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import recipes
from ..connection import requests
from ..connection.requests import whoami
from ..console import Console
from ..deployment import migrations
from ..deployment.deployment import Underway, underway
from ..deployment.releases import shared, to_go_back_to
from ..errors import ReleaseError
from ..fab.task import task
from ..fleet.fleet import Member
from ..fleet.summary import told
from ..hostkit.app.layout import Record
from ..inventory.project import load
from ..inventory.targets import Limits, targets, with_app
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..contract.base import Resource


@task(
    help={
        "to": "Id of the release, or its beginning, or the beginning of its revision; without it, the newest proven "
        "one before the live one.",
        "batch": "Hosts that switch at the same time: a number or a percentage; without it, `batch` of the settings.",
        "yes": "Go back past migrations without asking.",
        "skip-unreachable": "Go on without hosts that are away.",
        "json": "Print one JSON document instead of lines.",
    }
)
def rollback(
    c: Context,
    to: str | None = None,
    batch: str | None = None,
    yes: bool = False,
    skip_unreachable: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Go back to the last release that was proven healthy: all hosts or none."""
    settings = load(c).in_batches(batch)
    console = Console(quiet=json)
    hosts = with_app(targets(c, settings, Limits(role, host, exclude)))
    ask = [requests.ask("releases", app=settings.app)]
    with (
        told(console, "rollback", release=None) as outcome,
        underway(c, settings, hosts, console, outcome, skip_unreachable=skip_unreachable, ask=ask) as run,
    ):
        record = _roll_back(run, to, yes)
        outcome.more["release"] = record.id
    console.say(f"{settings.app}: release {record.id} is live again ({record.subject})", style="bold green")
    console.say("Database migrations are not undone: the code went back, the data did not.")
    for report in run.left_out:
        console.say(f"{report.host} was not reached and has what it had", style="yellow")
    return outcome.reports


def _roll_back(run: Underway, to: str | None, yes: bool) -> Record:
    """From hosts that are locked to an earlier release on all of them.

    :param yes: go back past migrations, too.
    :raises UsageError: there are some, and nobody to be asked.
    :raises FleetError: it failed on a host, and all have what they had.
    :raises ReleaseError: there is no such release on all hosts.
    """
    found: dict[Member, Any] = {member: answer for member, (answer,) in run.answers.items()}
    records = shared([[Record(**data) for data in host["records"]] for host in found.values()])
    # Hosts may differ: one that a cut-off rollback took back already, or one that lags behind.
    live = max((host["live"] for host in found.values() if host["live"]), default=None)
    record = to_go_back_to(records, live, to)
    unknown = migrations.unknown_to(record.id, migrations.history(found.values()))
    if unknown and not yes and not run.console.agrees(_question(record, unknown)):
        raise ReleaseError("nothing has changed: the migrations are a reason to stay, as was said")

    def settle(member: Member) -> list[Resource]:
        old = found[member]["live"]
        # A release that one goes forward to is no reason to call the one before it bad.
        retire = f"rolled back by {whoami()}" if old and record.id < old else None
        return [recipes.release.settled(member.settings, record.id, old, retire)]

    run.switch(record.id, settle)
    return record


def _question(record: Record, unknown: list[str]) -> str:
    return (
        f"the database has had migrations since {record.id} that this release does not know, and that a rollback does "
        f"not undo: {', '.join(unknown)}; go back all the same?"
    )
