"""The services that an app asks for by name, on the hosts where they run."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from ..resources import Resource
from ..resources.hardening.firewall import Guarded
from ..resources.services.password import Password

if TYPE_CHECKING:
    from ..settings import Settings


def services(settings: Settings, roles: Container[str]) -> list[Resource]:
    """What a host of these roles needs for the services that run on it.

    :raises SettingsError: it is not told where a service runs.
    """
    if not settings.services:
        return []
    # Not loaded for all who ask for none: it takes the schema with it.
    from ..inventory.placement import guards, services_on

    found: list[Resource] = [*guards(settings, roles)]
    for service in services_on(settings, roles):
        if service.clients and service.port is not None and settings.hardening.firewall:
            found.append(Guarded(service.name))
        found += [Password(settings.app, service.name), *service.install()]
    return found


def names_on(settings: Settings, roles: Container[str]) -> list[str]:
    """The names of the services that run on a host of these roles.

    :raises SettingsError: it is not told where a service runs.
    """
    if not settings.services:
        return []
    from ..inventory import placement

    return [each.name for each in placement.services(settings) if placement.runs_on(settings, each, roles)]
