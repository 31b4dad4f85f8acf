"""Which recipes make up a host, given the roles it plays."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from .. import recipes
from ..errors import SettingsError
from ..resources import Package, Resource
from .app import app
from .backup import backups
from .deployers import deployers
from .hardening import hardening
from .nginx import nginx
from .python import python
from .roles import balances, processes
from .services import services
from .supervisor import supervisor
from .system import system

if TYPE_CHECKING:
    from ..settings import Settings


def all_of(settings: Settings, roles: Container[str]) -> list[Resource]:
    """All that a host of these roles needs before the app can be deployed to it.

    :raises SettingsError: the roles of the host, or of the fleet, do not go together.
    """
    resources = [*system(settings)]
    if processes(settings, roles):
        resources += [*python(settings), *supervisor(settings), *app(settings)]
    if "web" in roles:
        resources += nginx(settings)
    if balances(settings, roles):
        if "web" in roles:
            raise SettingsError(_both(settings))
        resources += recipes.haproxy.haproxy(settings)
    its_services = services(settings, roles)
    resources += its_services
    if processes(settings, roles) or balances(settings, roles) or its_services:
        resources += deployers(settings)
    resources += backups(settings, roles)
    resources += hardening(settings, roles)
    return together(resources)


def _both(settings: Settings) -> str:
    names = ", ".join(str(entry.host) for entry in settings.roles["lb"] if "web" in settings.roles_of(entry.host))
    return (
        f"fabric.yaml: roles: found {names} in web and in lb, expected hosts of its own for each: "
        "nginx and HAProxy would both listen on port 80"
    )


def together(resources: Sequence[Resource]) -> list[Resource]:
    """The same resources, with the packages of all recipes as one, first: one apt transaction for the host."""
    packages = [resource for resource in resources if isinstance(resource, Package) and not resource.notify]
    if not packages:
        return list(resources)
    names = dict.fromkeys(name for package in packages for name in package.names)
    max_age = min(package.max_age for package in packages)
    return [Package(*names, max_age=max_age), *(r for r in resources if r not in packages)]
