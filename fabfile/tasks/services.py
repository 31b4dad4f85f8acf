"""`fab services.*`: what can be done with the services that the app asks for by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import recipes, resources
from ..console import Console
from ..errors import UsageError
from ..fab import words as words_of
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..fleet.summary import told
from ..inventory.project import load
from ..inventory.targets import Limits, targets
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..services import Service
    from ..settings import Settings


@task(
    name="clear",
    help={
        "words": "Written without the flag: the name of the service, such as redis.",
        "yes": "Do not ask first.",
    },
)
def services_clear(
    c: Context,
    words: str = "",
    yes: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Empty a service of the app, such as its database: all that is in it is gone. Asks first."""
    settings = load(c)
    service = _named(settings, words_of.split(words))
    found = targets(c, settings, Limits(role, host, exclude))
    hosts = [target for target in found if service.name in recipes.services.names_on(target.settings, target.roles)]
    if not hosts:
        raise UsageError(f"found no host of these on which {service.name} runs; `fab hosts` lists what runs where")
    console = Console()
    if not yes:
        question = f"empty {service.name} of {settings.app} on {', '.join(target.label for target in hosts)}?"
        if not console.agrees(f"{question} All that is in it is gone then."):
            raise UsageError("not asked for; nothing was emptied")
    commands = [resources.Command(argv, cwd="/", label=f"empty {service.name}") for argv in service.clear()]
    with told(console, "services.clear") as outcome:
        with Fleet(hosts, console, settings.concurrency, f"empty {service.name}") as fleet:
            outcome.reports += fleet.reports
            fleet.each(lambda member: member.lock("services.clear", settings.lock_timeout))
            fleet.require("nothing was emptied")
            fleet.each(lambda member: member.converge("clear", commands))
        fleet.require(f"{service.name} may be empty in part")
    console.say(f"{service.name} of {settings.app} is empty", style="bold green")
    return outcome.reports


def _named(settings: Settings, names: Sequence[str]) -> Service:
    """The service of the app that is meant.

    :raises UsageError: it asks for none of that name.
    """
    from ..inventory.placement import services

    found = {service.name: service for service in services(settings)}
    if len(names) != 1 or names[0] not in found:
        raise UsageError(
            f"found {', '.join(names) or 'no name'}, expected one of the services that the settings ask for: "
            f"{', '.join(found) or 'there are none'}"
        )
    return found[names[0]]


ns = Collection("services", services_clear)
