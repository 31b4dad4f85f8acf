"""`fab doctor`: whether this machine and the hosts are in order, and what to mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import views
from ..console import Console, print_json
from ..errors import HostsmithError, UsageError
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..inventory.addresses import with_addresses
from ..inventory.project import load
from ..inventory.targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context

    from ..agent.doctor import Finding
    from ..settings import Settings


@task(help={"json": "Print one JSON document instead of tables."})
def doctor(
    c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None, json: bool = False
) -> dict[str, Any]:
    """Check this machine and the hosts, and say what to mend."""
    settings, problem = _settings(c)
    local = views.doctor.here(settings, problem)
    console = Console(quiet=json)
    hosts = _hosts(c, settings, Limits(role, host, exclude), console) if settings else {}
    if json:
        print_json({"here": local, "hosts": hosts})
    else:
        views.doctor.show(console, local, hosts)
    views.doctor.require_well(local, hosts)
    return {"here": local, "hosts": hosts}


def _settings(c: Context) -> tuple[Settings | None, str]:
    try:
        return load(c), ""
    except HostsmithError as error:
        return None, str(error)


def _hosts(c: Context, settings: Settings, limits: Limits, console: Console) -> dict[str, list[Finding]]:
    """The findings of each host; of one that is away, why."""
    no_plan = ""
    try:
        settings = with_addresses(settings, c.config)
    except HostsmithError as error:
        no_plan = str(error)
    try:
        found = targets(c, settings, limits)
    except UsageError:
        if str(limits) or settings.roles:
            raise
        return {}
    with Fleet(found, console, settings.concurrency, None) as fleet:
        seen = fleet.each(lambda member: views.examination.examined(member, no_plan))
    return {
        console.name(member.label): seen.get(member) or [views.examination.away(member)] for member in fleet.members
    }
