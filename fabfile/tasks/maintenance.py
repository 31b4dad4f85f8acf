"""`fab maintenance.*`: visitors get a page that says so, instead of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import recipes
from ..connection.requests import whoami
from ..console import Console
from ..errors import FleetError, UsageError
from ..fab.task import task
from ..fleet.fleet import Fleet, Member
from ..fleet.summary import told
from ..inventory.project import load
from ..inventory.targets import Limits, Target, targets
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..contract.base import Resource
    from ..settings import Settings

_HELP = {"json": "Print one JSON document instead of lines."}
_RETRY_AFTER = 600
_LONGEST_WAIT = 30 * 24 * 3600


@task(
    help={
        "message": "What the page says; it is shown as text.",
        "allow": "Addresses and small networks that see the app: 203.0.113.7,198.51.100.0/28.",
        "retry-after": f"Seconds after which visitors and crawlers may come again; {_RETRY_AFTER} without it.",
        **_HELP,
    }
)
def on(
    c: Context,
    message: str | None = None,
    allow: str | None = None,
    retry_after: str | None = None,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Answer 503 and a page instead of the app, on all web hosts or on none."""
    settings = load(c)
    begun = recipes.maintenance.maintenance(
        settings,
        message or recipes.maintenance.MESSAGE,
        recipes.maintenance.addresses(allow),
        _seconds(retry_after),
        whoami(),
    )
    return _everywhere(c, settings, Limits(role, host, exclude), begun, "maintenance.on", Console(quiet=json))


@task(help=_HELP)
def off(
    c: Context, json: bool = False, role: str | None = None, host: str | None = None, exclude: str | None = None
) -> list[Report]:
    """Serve the app again, on all web hosts."""
    settings = load(c)
    over = recipes.maintenance.no_maintenance(settings)
    return _everywhere(c, settings, Limits(role, host, exclude), over, "maintenance.off", Console(quiet=json))


def _seconds(text: str | None) -> int:
    """What was given as --retry-after.

    :raises UsageError: it is no number of seconds.
    """
    if text is None:
        return _RETRY_AFTER
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LONGEST_WAIT:
        raise UsageError(f"--retry-after: found {text!r}, expected seconds, 1 to {_LONGEST_WAIT}, such as 600")
    return int(text)


def _everywhere(
    c: Context, settings: Settings, limits: Limits, resource: Resource, what: str, console: Console
) -> list[Report]:
    """Have all web hosts go over to a state, or none."""
    hosts = _web(targets(c, settings, limits))
    shown = Fleet(hosts, console, settings.concurrency, f"{what} {settings.app}")
    with told(console, what) as outcome, shown as fleet:
        outcome.reports += fleet.reports
        fleet.connect()
        fleet.require("nothing has changed")
        fleet.lock(what, settings.lock_timeout)
        fleet.require("nothing has changed")
        try:
            fleet.each(lambda member: member.converge("maintenance", [resource], hold=True))
            fleet.require("it is as it was on all hosts")
        except FleetError:
            fleet.each(Member.put_back, [member for member in fleet.members if member.is_connected])
            raise
        fleet.each(lambda member: member.session.confirm())
        fleet.require("`fab status` says how it is on each host")
    return outcome.reports


def _web(found: list[Target]) -> list[Target]:
    """Those with a web process, and so with nginx.

    :raises UsageError: none has one.
    """
    web = [target for target in found if "web" in target.processes]
    if not web:
        raise UsageError(
            "found no host that serves the site, expected one or more; see `fab hosts` for what runs where"
        )
    return web


ns = Collection("maintenance", on, off)
