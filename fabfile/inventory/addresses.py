"""IP addresses by which web hosts, balancers and services reach each other."""

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

# Roles of services, whose firewalls admit the hosts of the app.
_SERVICE_ROLES = ("db", "cache")


def with_addresses(settings: Settings, config: Config) -> Settings:
    """Look up the addresses that hosts of the fleet need of each other, for the recipes, which are pure functions.

    These are web hosts and balancers if there is a balancer, hosts that the firewall of another one admits, and hosts
    of services and their clients. The `address` of a host wins, then its address in the sandbox, the `HostName` of
    the SSH configuration, and DNS.

    :raises SettingsError: a host has no address that the others can reach.
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
    """List the roles whose addresses the firewalls of other hosts need."""
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
    """Return the address of a host, or its name for DNS."""
    from ..sandbox import lookup

    entry = settings.entry(host)
    if entry and entry.address:
        return entry.address
    sandboxed = lookup(project_folder(config), host.host)
    return sandboxed.address if sandboxed else str(config.base_ssh_config.lookup(host.host).get("hostname", host.host))


def _addresses(name: str, host: Host, role: str) -> list[str]:
    """Resolve all addresses of a name, IPv4 first; it is unknown from which of them a balancer connects."""
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SettingsError(_unreachable(f"whose name {name!r} cannot be resolved here", host, role)) from None
    addresses = sorted(dict.fromkeys(str(answer[4][0]) for answer in answers), key=lambda address: ":" in address)
    if local := [address for address in addresses if ipaddress.ip_address(address).is_loopback]:
        raise SettingsError(_unreachable(f"whose address {local[0]} no other host can reach", host, role))
    return addresses


def _unreachable(problem: str, host: Host, role: str) -> str:
    return (
        f"fabric.yaml: roles.{role}: found {host}, {problem}, expected a host that the other hosts can reach; "
        f"write its address: {{host: {host}, address: 10.0.0.7}}"
    )
