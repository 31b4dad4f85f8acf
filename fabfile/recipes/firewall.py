"""The firewall: a table of nftables, and the ports that a host opens."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..inventory.processes import client_roles
from ..inventory.roles import ALL_ROLES
from ..rendering.template import Template
from ..resources import Absent, Directory, Package, Resource, Validated
from ..resources.hardening.firewall import APPS, RULES, UNIT, Firewall, FirewallLoaded, LoadFirewall
from ..resources.hardening.sshd import SshPorts
from ..resources.services.port import GUARDS
from ..settings.hardening import is_role_name
from .nginx import balancers

if TYPE_CHECKING:
    from ..settings import Settings

_FOLDER, _PORTS = "/etc/hostsmith", "/etc/hostsmith/ssh-ports.nft"
_UNIT_FILE = f"/etc/systemd/system/{UNIT}"
_SERVICE_PORTS = {"db": 5432, "cache": 6379}


@dataclass(frozen=True)
class Rule:
    """One line of the firewall.

    :param sources: addresses and networks of one family; empty for all.
    """

    port: int
    protocol: str
    family: str
    sources: tuple[str, ...]


def firewall(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Set up a separate table of nftables that admits SSH and the ports of the roles and the settings."""
    rules = list(firewall_rules(settings, roles))
    table = Template(RULES, "nftables/firewall.nft.j2", {"ports": _PORTS, "apps": APPS, "guards": GUARDS}, mode=0o644)
    # A file per app, since several apps on one host are provisioned one by one.
    app = Template(
        _app_rules(settings),
        "nftables/app.nft.j2",
        {"app": settings.app, "rules": rules, "trusted": _by_family(settings.firewall.trusted)},
        mode=0o644,
    )
    unit = Template(_UNIT_FILE, "nftables/hostsmith-firewall.service.j2", {"rules": RULES}, mode=0o644)
    ports = SshPorts(_PORTS, "define ssh_ports = { %PORTS% }\n")
    folders = (Directory(APPS, mode=0o755), Directory(GUARDS, mode=0o755))
    return [
        Package("nftables"),
        Firewall(
            "firewall",
            (Directory(_FOLDER, mode=0o755), *folders, ports, app, table, unit, FirewallLoaded()),
            validate=["nft", "--check", "--file", RULES],
            opens=tuple(sorted({f"{rule.port}/{rule.protocol}" for rule in rules})),
            notify=LoadFirewall(),
        ),
    ]


def no_firewall(settings: Settings) -> Resource:
    files = (_UNIT_FILE, RULES, _PORTS, _app_rules(settings))
    return Validated("firewall", tuple(Absent(path) for path in files), notify=LoadFirewall())


def _app_rules(settings: Settings) -> str:
    return f"{APPS}/{settings.app}.nft"


def firewall_rules(settings: Settings, roles: Container[str]) -> Iterator[Rule]:
    """List the ports that a host of these roles opens besides SSH.

    :raises SettingsError: a rule names a role without hosts.
    """
    balancer = roles is not ALL_ROLES and "lb" in roles
    if "web" in roles or balancer:
        # Behind balancers only these may connect; visitors connect to the balancers.
        sources = [] if balancer else balancers(settings)
        yield from _rules(80, "tcp", sources)
        if balancer or not sources:
            yield from _rules(443, "tcp", [])
    for role, port in _SERVICE_PORTS.items():
        if roles is not ALL_ROLES and role in roles and (clients := _addresses(settings, client_roles(settings))):
            yield from _rules(port, "tcp", clients)
    yield from service_rules(settings, roles)
    for index, allow in enumerate(settings.firewall.allow):
        if allow.to and not any(role in roles for role in allow.to):
            continue
        given = [source for source in allow.sources if not is_role_name(source)]
        named = [source for source in allow.sources if is_role_name(source)]
        for role in named:
            if not settings.roles.get(role):
                raise SettingsError(
                    f"fabric.yaml: firewall.allow[{index}].from: found {role!r}, which has no hosts; "
                    f"expected a role with hosts ({', '.join(settings.roles) or 'none'}), an IP address or a network"
                )
        yield from _rules(allow.port, allow.protocol, [*given, *_addresses(settings, named)])


def service_rules(settings: Settings, roles: Container[str]) -> Iterator[Rule]:
    """List the ports of the app's services for the hosts of the app, unless the app runs beside them."""
    if not settings.services:
        return
    from ..inventory.placement import services_on

    of_roles = [port for role, port in _SERVICE_PORTS.items() if roles is not ALL_ROLES and role in roles]
    for service in services_on(settings, roles):
        if service.clients and service.port is not None and service.port not in of_roles:
            yield from _rules(service.port, "tcp", service.clients)


def _addresses(settings: Settings, roles: Iterable[str]) -> list[str]:
    entries = [entry for role in roles for entry in settings.roles.get(role, [])]
    return list(dict.fromkeys(address for entry in entries for address in settings.addresses(entry.host)))


def _rules(port: int, protocol: str, sources: Sequence[str]) -> Iterator[Rule]:
    families = _by_family(sources)
    if not any(families.values()):
        yield Rule(port, protocol, "", ())
    for family, members in families.items():
        if members:
            yield Rule(port, protocol, family, tuple(members))


def _by_family(sources: Sequence[str]) -> dict[str, list[str]]:
    """Group addresses and networks by nftables' family, without those within another network."""
    networks = [ipaddress.ip_network(source) for source in sources]
    # nft refuses overlaps.
    four = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv6Network))
    return {"ip": [_text(one) for one in four], "ip6": [_text(one) for one in six]}


def _text(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)
