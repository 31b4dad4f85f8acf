"""The IP addresses by which web hosts, balancers and services reach each other, looked up before recipes need them."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..settings.fabric_config import project_folder
from .processes import client_roles

if TYPE_CHECKING:
    from fabric import Config

    from ..openssh.host import Host
    from ..settings import Settings

# Roles of services, whose firewalls let in who runs the app.
_SERVICE_ROLES = ("db", "cache")


def with_addresses(settings: Settings, config: Config) -> Settings:
    """The settings, knowing the addresses of the hosts that others of the fleet must know: those of web hosts and
    balancers where there is a balancer, those that the firewall of another lets in, and those of services and clients.

    A recipe is a pure function, and these are no values of the settings. A host's own `address` comes first, then its
    place in the sandbox, the `HostName` of the SSH configuration, and DNS.

    :raises SettingsError: a host has none that the others can reach.
    """
    roles = [*(("web", "lb") if settings.is_balanced else ()), *_of_firewalls(settings), *_of_services(settings)]
    if not roles:
        return settings
    found = {}
    for role in dict.fromkeys(roles):
        for entry in settings.roles.get(role, []):
            found[settings.machine(entry.host)] = _addresses(_name(settings, entry.host, config), entry.host, role)
    return settings.reached_at(found)


def _of_firewalls(settings: Settings) -> list[str]:
    """The roles whose hosts the firewalls of others must know by address."""
    if not settings.hardening.firewall:
        return []
    from ..settings.hardening import is_role_name

    found = [source for allow in settings.firewall.allow for source in allow.sources if is_role_name(source)]
    if any(settings.roles.get(role) for role in _SERVICE_ROLES):
        found += client_roles(settings)
    return list(dict.fromkeys(found))


def _of_services(settings: Settings) -> list[str]:
    if not settings.services:
        return []
    from .placement import remote_roles

    return remote_roles(settings)


def _name(settings: Settings, host: Host, config: Config) -> str:
    """The address of a host, or the name to ask DNS for."""
    from ..sandbox import lookup

    entry = settings.entry(host)
    if entry and entry.address:
        return entry.address
    sandboxed = lookup(project_folder(config), host.host)
    return sandboxed.address if sandboxed else str(config.base_ssh_config.lookup(host.host).get("hostname", host.host))


def _addresses(name: str, host: Host, role: str) -> list[str]:
    """All addresses of a name: which of them a balancer connects from is not known here. IPv4 first, if it has one."""
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SettingsError(_unreachable(f"whose name {name!r} has no address here", host, role)) from None
    addresses = sorted(dict.fromkeys(str(answer[4][0]) for answer in answers), key=lambda address: ":" in address)
    if local := [address for address in addresses if ipaddress.ip_address(address).is_loopback]:
        raise SettingsError(_unreachable(f"whose address {local[0]} no other host reaches", host, role))
    return addresses


def _unreachable(problem: str, host: Host, role: str) -> str:
    return (
        f"fabric.yaml: roles.{role}: found {host}, {problem}, expected a host that the others of the fleet reach; "
        f"write its address: {{host: {host}, address: 10.0.0.7}}"
    )
