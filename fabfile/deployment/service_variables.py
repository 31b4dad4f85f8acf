"""Variables that describe the services of an app, asked of the services' hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..console import Console
from ..contract.secret import Secret
from ..errors import ServiceError, SettingsError
from ..fleet import Fleet, Member
from ..hostkit.app.variables import Variable
from ..inventory.addresses import with_addresses
from ..inventory.roles import ALL_ROLES
from ..inventory.targets import named

if TYPE_CHECKING:
    from invoke.context import Context

    from ..openssh.host import Host, Machine
    from ..services import AppService
    from ..settings import Settings


def of_services(c: Context, settings: Settings, fleet: Fleet) -> dict[str, Variable]:
    """The variables of all services: the same on all hosts of a fleet.

    :raises ServiceError: a service is not set up.
    :raises SettingsError: the settings do not say where a service runs.
    :raises FleetError: a host that must be asked is unreachable.
    """
    if not settings.services:
        return {}
    found = _passwords(c, settings, fleet)
    if missing := [name for name in settings.services if name not in found]:
        raise ServiceError(
            f"{' and '.join(missing)} of {settings.app}: not set up on its host yet; run `fab provision`, then deploy "
            "again"
        )
    return _variables(c, settings, fleet, found)


def of_services_to_be(c: Context, settings: Settings, fleet: Fleet) -> dict[str, Variable]:
    """As `of_services`, also of those that are not set up yet; what these say is only names."""
    if not settings.services:
        return {}
    found = _passwords(c, settings, fleet)
    return _variables(c, settings, fleet, {**dict.fromkeys(settings.services, Secret("")), **found})


def _variables(c: Context, settings: Settings, fleet: Fleet, passwords: Mapping[str, Secret]) -> dict[str, Variable]:
    from ..inventory.placement import variables

    told = variables(with_addresses(settings, c.config), passwords, outside=_outside(fleet) is not None)
    return {name: Variable(value, origin) for name, (origin, value) in told.items()}


def _passwords(c: Context, settings: Settings, fleet: Fleet) -> dict[str, Secret]:
    """The password of each service that is set up, as its host keeps it."""
    from ..inventory.placement import home, services

    def ask(member: Member) -> dict[str, str]:
        answer: dict[str, str] = member.ask("services", app=settings.app)
        return answer

    by_host: dict[Machine | None, tuple[Host | None, list[AppService]]] = {}
    own = _outside(fleet)
    for service in services(settings):
        place = None if own else home(settings, service)
        machine = settings.machine(place) if place else None
        by_host.setdefault(machine, (place, []))[1].append(service)
    found: dict[str, Secret] = {}
    for machine, (place, those) in by_host.items():
        # Only those that take part are connected and locked; to look needs no lock.
        part = [member for member in fleet.members if machine in (None, settings.machine(member.target.host))]
        if part:
            answers = fleet.each(ask, part[:1])
        else:
            assert place is not None
            with Fleet(named(c, settings, [place]), Console(quiet=True), 1, "services") as other:
                answers = other.each(ask)
                other.require(f"{', '.join(each.name for each in those)} is there, and the host is unreachable")
        for answer in answers.values():
            found.update({each.name: Secret(answer[each.name]) for each in those if each.name in answer})
    fleet.require("nothing has changed")
    return found


def _outside(fleet: Fleet) -> Member | None:
    """The host that is in no role, and so has its own services; None when the settings know all.

    :raises SettingsError: there are several.
    """
    outside = [member for member in fleet.members if member.target.roles is ALL_ROLES]
    if outside and len(fleet.members) > 1:
        raise SettingsError(
            f"found {', '.join(member.label for member in outside)} in no role, where each host has its own "
            "services, expected hosts that share them; write them in `roles` of fabric.yaml, or name one host with -H"
        )
    return next(iter(outside), None)
