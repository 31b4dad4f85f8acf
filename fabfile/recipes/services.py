"""Services of an app on the hosts that run them."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from ..resources import Resource
from ..resources.hardening.firewall import Guarded
from ..resources.services.password import Password

if TYPE_CHECKING:
    from ..settings import Settings


def services(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Set up the services that run on a host of these roles.

    :raises SettingsError: the host of a service is not clear.
    """
    if not settings.services:
        return []
    # Loaded only for apps with services: it loads the schema.
    from ..inventory.placement import guards, services_on

    found: list[Resource] = [*guards(settings, roles)]
    for service in services_on(settings, roles):
        if service.clients and service.port is not None and settings.hardening.firewall:
            found.append(Guarded(service.name))
        found += [Password(settings.app, service.name), *service.install()]
    return found


def names_on(settings: Settings, roles: Container[str]) -> list[str]:
    """List the names of the services that run on a host of these roles.

    :raises SettingsError: the host of a service is not clear.
    """
    if not settings.services:
        return []
    from ..inventory import placement

    return [each.name for each in placement.services(settings) if placement.runs_on(settings, each, roles)]
