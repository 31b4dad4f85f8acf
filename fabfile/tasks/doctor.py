"""`fab doctor`: problems of this machine and the hosts, each with a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import views
from ..errors import HostsmithError, UsageError
from ..fab.task import JSON, TaskCall, task
from ..inventory.addresses import with_addresses

if TYPE_CHECKING:
    from ..agent.doctor import Finding
    from ..settings import Settings


@task(JSON)
def doctor(call: TaskCall) -> dict[str, Any]:
    """Check this machine and the hosts, and show what to fix."""
    settings, problem = _settings(call)
    local = views.doctor.here(settings, problem)
    hosts = _hosts(call, settings) if settings else {}
    call.document.update(here=local, hosts=hosts)
    if not call.json:
        views.doctor.show(call.console, local, hosts)
    views.doctor.require_healthy(local, hosts)
    return {"here": local, "hosts": hosts}


def _settings(call: TaskCall) -> tuple[Settings | None, str]:
    try:
        return call.settings, ""
    except HostsmithError as error:
        return None, str(error)


def _hosts(call: TaskCall, settings: Settings) -> dict[str, list[Finding]]:
    """Ask each host for its findings; for an unreachable one, the reason."""
    no_plan = ""
    try:
        settings = with_addresses(settings, call.c.config)
    except HostsmithError as error:
        no_plan = str(error)
    try:
        found = call.hosts(settings)
    except UsageError:
        if str(call.limits) or settings.roles:
            raise
        return {}
    with call.look(found, check=False) as fleet:
        seen = fleet.each(lambda member: views.examination.examined(member, no_plan))
    return {
        call.console.name(member.label): seen.get(member) or [views.examination.unreachable(member)]
        for member in fleet.members
    }
