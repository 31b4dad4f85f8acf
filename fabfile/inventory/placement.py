"""Hosts of an app's services, and the app's access to them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from ..contract.secret import Secret
from ..errors import SettingsError
from ..resources.services.port import PortGuard
from ..services.base import Access, AppService
from ..services.registry import known
from .processes import client_roles, processes
from .roles import ALL_ROLES

if TYPE_CHECKING:
    from ..openssh.host import Host
    from ..settings import Settings

_LOOPBACK = "127.0.0.1"


def services(settings: Settings) -> list[AppService]:
    """List the services of the app, without their clients."""
    kinds = known()
    return [kinds[name](settings, options) for name, options in settings.services.items()]


def home(settings: Settings, service: AppService) -> Host | None:
    """Find the host of a service; None for the host of the app, if that is in no role but given with `-H`.

    :raises SettingsError: the host is not clear.
    """
    if service.home and (entries := settings.roles.get(service.home)):
        return _only([entry.host for entry in entries], service, settings)
    if service.options.role:
        raise SettingsError(
            f"fabric.yaml: services.{service.name}.role: found {service.options.role!r}, which has no hosts; "
            f"write `roles: {{{service.options.role}: [root@{service.options.role}1.example.com]}}`"
        )
    return _only(app_hosts(settings), service, settings)


def app_hosts(settings: Settings) -> list[Host]:
    """List the hosts of the settings that run a process of the app, each machine once."""
    entries = [entry for role in client_roles(settings) for entry in settings.roles[role]]
    return list({settings.machine(entry.host): entry.host for entry in entries}.values())


def is_remote(settings: Settings, service: AppService) -> bool:
    """Whether the app runs on a host that is not the service's."""
    place = home(settings, service)
    return place is not None and any(settings.machine(host) != settings.machine(place) for host in app_hosts(settings))


def services_on(settings: Settings, roles: Container[str]) -> list[AppService]:
    """List the services that run on a host of these roles, with their clients.

    :raises SettingsError: the host of a service is not clear, or a client's address has not been looked up.
    """
    return [_with_clients(settings, each, roles) for each in services(settings) if runs_on(settings, each, roles)]


def runs_on(settings: Settings, service: AppService, roles: Container[str]) -> bool:
    """Whether a service runs on a host of these roles.

    :raises SettingsError: its host is not clear.
    """
    if roles is ALL_ROLES:
        return True
    home(settings, service)
    if settings.roles.get(service.home):
        return service.home in roles
    return bool(processes(settings, roles))


def _with_clients(settings: Settings, service: AppService, roles: Container[str]) -> AppService:
    if roles is ALL_ROLES or not is_remote(settings, service):
        return service
    addresses = dict.fromkeys(address for host in app_hosts(settings) for address in settings.addresses(host))
    return type(service)(settings, service.options, tuple(addresses))


def guards(settings: Settings, roles: Container[str]) -> list[PortGuard]:
    """Block other users of an app's host from services without passwords on other hosts."""
    if roles is ALL_ROLES or not processes(settings, roles):
        return []
    return [
        PortGuard(f"{each.name}-{settings.app}", each.port, settings.app, tuple(settings.addresses(place)))
        for each in services(settings)
        if not (each.has_passwords or each.port is None or runs_on(settings, each, roles))
        if (place := home(settings, each)) is not None
    ]


def remote_roles(settings: Settings) -> list[str]:
    """List the roles whose addresses the services of the app, and the app, need."""
    remote = [service for service in services(settings) if is_remote(settings, service)]
    return [*client_roles(settings), *(service.home for service in remote)] if remote else []


def access(settings: Settings, service: AppService, password: Secret, *, outside: bool) -> Access:
    """Return the app's access to a service.

    :param outside: whether the app's host is in no role, and so has its own services.
    """
    place = home(settings, service) if not outside and is_remote(settings, service) else None
    host = settings.addresses(place)[0] if place else _LOOPBACK
    return Access(host, service.port, service.database, service.database, password)


def variables(
    settings: Settings, passwords: Mapping[str, Secret], *, outside: bool
) -> dict[str, tuple[str, Secret | str]]:
    """Collect the variables of the services, each with the name of its service.

    If several have a variable of the same name, such as `CACHE_URL`, the first service of the settings wins.
    """
    found: dict[str, tuple[str, Secret | str]] = {}
    for service in services(settings):
        given = service.env(access(settings, service, passwords[service.name], outside=outside))
        for name, value in given.items():
            found.setdefault(name, (service.name, value))
    return found


def _only(hosts: list[Host], service: AppService, settings: Settings) -> Host | None:
    if len(hosts) <= 1:
        return next(iter(hosts), None)
    names = ", ".join(str(host) for host in hosts)
    role = service.home
    if settings.roles.get(role):
        raise SettingsError(
            f"fabric.yaml: services.{service.name}: found {len(hosts)} hosts in roles.{role} ({names}), expected one; "
            "give the service another role, such as "
            f"`services: {{{service.name}: {{role: main}}}}` with `roles: {{main: [{hosts[0]}]}}`"
        )
    if not role:
        raise SettingsError(
            f"fabric.yaml: services.{service.name}: found {len(hosts)} hosts that run the app ({names}), expected one, "
            f"since {service.name} is on the disk of a host"
        )
    raise SettingsError(
        f"fabric.yaml: services.{service.name}: found {len(hosts)} hosts that run the app ({names}) and none in "
        f"roles.{role}, expected one host for it; write `roles: {{{role}: [root@{role}1.example.com]}}`, which may be "
        "one of these"
    )
