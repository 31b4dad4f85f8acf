"""`fab maintenance.*`: a maintenance page for visitors in place of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import recipes
from ..connection import requests
from ..connection.requests import whoami
from ..errors import FleetError, UsageError
from ..fab.task import JSON, TaskCall, task
from ..fleet import Member
from ..inventory.targets import Target
from ..report import Report

if TYPE_CHECKING:
    from ..contract.base import Resource

_RETRY_AFTER = 600
_LONGEST_WAIT = 30 * 24 * 3600


@task(
    JSON,
    help={
        "message": "Text of the page.",
        "allow": "Addresses and small networks that see the app: 203.0.113.7,198.51.100.0/28.",
        "retry-after": f"Seconds after which visitors and crawlers may come again; by default {_RETRY_AFTER}.",
    },
)
def on(
    call: TaskCall, message: str | None = None, *, allow: str | None = None, retry_after: str | None = None
) -> list[Report]:
    """Answer with 503 and a maintenance page instead of the app, on all web hosts or on none."""
    begun = recipes.maintenance.maintenance(
        call.settings,
        message or recipes.maintenance.MESSAGE,
        recipes.maintenance.addresses(allow),
        _seconds(retry_after),
        whoami(),
    )
    return _on_all_or_none(call, begun, "maintenance.on")


@task(JSON)
def off(call: TaskCall) -> list[Report]:
    """Serve the app again, on all web hosts."""
    return _on_all_or_none(call, recipes.maintenance.no_maintenance(call.settings), "maintenance.off")


def _seconds(text: str | None) -> int:
    """Read --retry-after.

    :raises UsageError: it is not a number of seconds.
    """
    if text is None:
        return _RETRY_AFTER
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LONGEST_WAIT:
        raise UsageError(f"--retry-after: found {text!r}, expected seconds, 1 to {_LONGEST_WAIT}, such as 600")
    return int(text)


def _on_all_or_none(call: TaskCall, resource: Resource, what: str) -> list[Report]:
    """Bring all web hosts to a state, or none."""
    with call.fleet(_web(call.hosts()), what) as fleet:
        fleet.connect()
        fleet.require("nothing has changed")
        fleet.lock(what, call.settings.lock_timeout)
        fleet.require("nothing has changed")
        try:
            fleet.each(lambda member: member.converge("maintenance", [resource], hold=True))
            fleet.require("it is as it was on all hosts")
        except FleetError:
            fleet.each(Member.revert, [member for member in fleet.members if member.is_connected])
            raise
        fleet.each(lambda member: member.request(requests.confirm()))
        fleet.require("`fab status` shows how it is on each host")
    return fleet.reports


def _web(found: list[Target]) -> list[Target]:
    """Choose those with a web process, and so with nginx.

    :raises UsageError: none has one.
    """
    web = [target for target in found if "web" in target.processes]
    if not web:
        raise UsageError("none of these hosts serves the site; see `fab hosts` for what runs where")
    return web


ns = Collection("maintenance", on, off)
