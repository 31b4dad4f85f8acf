"""`fab status`: the live release of each host, its processes, and its health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import recipes, views
from ..console import Console
from ..contract import wire
from ..errors import HostsmithError, SettingsError
from ..fab.task import JSON, TaskCall, task
from ..fleet import Member
from ..hostkit.app import provisioned
from ..inventory.addresses import with_addresses
from ..inventory.processes import balances
from ..inventory.roles import ALL_ROLES

if TYPE_CHECKING:
    from ..views.overview import Answer


@task(JSON)
def status(call: TaskCall) -> dict[str, Any]:
    """Show each host's release, processes, health, disk, lag and drift."""
    settings, no_plan = call.settings, ""
    try:
        settings = with_addresses(settings, call.c.config)
    except SettingsError as error:
        # The status is needed most when something is wrong.
        no_plan = str(error)
    with call.look(call.hosts(settings)) as fleet:
        seen = fleet.each(lambda member: _look(member, no_plan))
    views.overview.compare(seen.values())
    answers = {member.label: seen.get(member) or _silent(member) for member in fleet.members}
    call.document["hosts"] = answers
    _print({call.console.name(label): answer for label, answer in answers.items()}, call.console)
    return answers


def _look(member: Member, no_plan: str) -> Answer:
    """Ask a host for its state, and compare it with the settings.

    :param no_plan: why there is nothing to compare it with.
    """
    settings, roles = member.settings, member.target.roles
    here = member.target.processes
    health = wire.dump(recipes.release.health_check(settings)) if "web" in here else None
    answer = member.ask("status", app=settings.app, health=health)
    if balances(settings, roles) and not answer["servers"]:
        answer["problem"] = answer["problem"] or "HAProxy is not running; `fab provision` sets it up"
    drift, drift_problem = (None, no_plan) if no_plan else _drift(member)
    compared = {"runs_app": bool(here), "lags": False, "behind": 0, "drift": drift, "drift_problem": drift_problem}
    return {"roles": _roles(member), **answer, **compared}


def _drift(member: Member) -> tuple[list[str] | None, str]:
    """The resources that `fab provision` would change; None, and why, when that is unknown."""
    try:
        plan = member.would(recipes.provision(member.settings, member.target.roles))
    except HostsmithError as error:
        return None, str(error)
    # Another version that provisioned the host is not drift, and has a separate column.
    drifted = [result.resource for result in plan.changed if result.resource != f"file {provisioned.PATH}"]
    return (drifted, "") if plan.ok else (None, plan.problem())


def _silent(member: Member) -> Answer:
    """The entry of a host that did not answer."""
    return {
        "roles": _roles(member),
        "error": member.report.verdict or "failed",
        "reason": member.report.problem(),
    }


def _roles(member: Member) -> list[str] | None:
    roles = member.target.roles
    return None if roles is ALL_ROLES else [name for name in member.settings.roles if name in roles]


def _print(answers: dict[str, Answer], console: Console) -> None:
    rows = [views.overview.row(name, answer) for name, answer in answers.items()]
    console.table(views.overview.COLUMNS, rows, [views.overview.style(answer) for answer in answers.values()])
    for line in views.overview.remarks(answers):
        console.say(line, style="yellow")
