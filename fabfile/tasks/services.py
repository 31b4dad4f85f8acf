"""`fab services.*`: the services that the app uses, such as its database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import recipes, resources
from ..errors import UsageError
from ..fab.task import JSON, TaskCall, task
from ..report import Report

if TYPE_CHECKING:
    from ..services import AppService
    from ..settings import Settings


@task(
    JSON,
    name="clear",
    arguments="SERVICE",
    help={"words": "Name of the service, such as redis.", "yes": "Do not ask first."},
)
def services_clear(call: TaskCall, words: Sequence[str] = (), *, yes: bool = False) -> list[Report]:
    """Delete all data in a service of the app, such as its database. Asks first."""
    settings = call.settings
    service = _named(settings, words)
    hosts = [
        target for target in call.hosts() if service.name in recipes.services.names_on(target.settings, target.roles)
    ]
    if not hosts:
        raise UsageError(f"{service.name} runs on none of these hosts; `fab hosts` lists what runs where")
    if not yes:
        question = f"empty {service.name} of {settings.app} on {', '.join(target.label for target in hosts)}?"
        if not call.console.agrees(f"{question} All its data will be lost."):
            raise UsageError("cancelled; nothing was emptied")
    commands = [resources.Command(argv, cwd="/", label=f"empty {service.name}") for argv in service.clear()]
    with call.fleet(hosts, "services.clear") as fleet:
        fleet.each(lambda member: member.lock("services.clear", settings.lock_timeout))
        fleet.require("nothing was emptied")
        fleet.each(lambda member: member.converge("clear", commands))
        fleet.require(f"{service.name} may be partially empty")
    call.console.say(f"{service.name} of {settings.app} is empty", style="bold green")
    return fleet.reports


def _named(settings: Settings, names: Sequence[str]) -> AppService:
    """Find a service of the app by its name.

    :raises UsageError: the app uses no service of that name.
    """
    from ..inventory.placement import services

    found = {service.name: service for service in services(settings)}
    if len(names) != 1 or names[0] not in found:
        raise UsageError(
            f"found {', '.join(names) or 'no name'}, expected one of the services in the settings: "
            f"{', '.join(found) or 'there are none'}"
        )
    return found[names[0]]


ns = Collection("services", services_clear)
