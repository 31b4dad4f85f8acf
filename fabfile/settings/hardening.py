"""Settings of the hardening and of the firewall."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from . import values as kind
from .kinds import ListOf, MappingOf, Model, OneOrList, Scalar, Text, UnexpectedError

_SOURCE = "an IP address, a network such as 10.0.0.0/8, or a role"
_NETWORK = "an IP address such as 203.0.113.7, or a network such as 10.0.0.0/8"


def is_role_name(text: str) -> bool:
    """Whether a text is a role's name rather than an address."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) is not None


def network(text: str) -> str:
    """Normalise an address or a network.

    :raises UnexpectedError: it is neither.
    """
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        hint = str(error) if "host bits" in str(error) else ""
        raise UnexpectedError(_NETWORK, hint) from None
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def _source(text: str) -> str:
    if is_role_name(text):
        return text
    try:
        return network(text)
    except UnexpectedError as error:
        raise UnexpectedError(_SOURCE, error.hint) from None


Network = Annotated[str, AfterValidator(network), Text(_NETWORK)]
Source = Annotated[str, AfterValidator(_source), Text(_SOURCE)]


class Allow(Model):
    """A port that the firewall opens."""

    port: kind.Port = Field(description="Port to open on the host.")
    protocol: Annotated[Literal["tcp", "udp"], Scalar("tcp or udp")] = Field("tcp", description="Protocol of the port.")
    sources: Annotated[list[Source], OneOrList(f"{_SOURCE}, or a list of them")] = Field(
        default_factory=list,
        alias="from",
        description="Addresses, networks and roles that may connect; empty for all.",
    )
    to: Annotated[list[kind.RoleName], OneOrList("a role, or a list of them")] = Field(
        default_factory=list, description="Roles whose hosts open the port; empty for all."
    )


class FirewallRules(Model):
    """Ports to open in addition to those that the roles need."""

    allow: Annotated[
        list[Annotated[Allow, MappingOf("a mapping such as {port: 5432, from: web}")]],
        ListOf("a list of ports to open, such as [{port: 8080, from: 10.0.0.0/8}]"),
    ] = Field(
        default_factory=list,
        description="Ports to open in addition to SSH and the ports that the roles need.",
    )
    trusted: Annotated[list[Network], OneOrList(f"{_NETWORK}, or a list of them")] = Field(
        default_factory=list,
        description="Addresses and networks without a limit on SSH connections, and that are never banned.",
    )


def _all_or_nothing(value: Any) -> Any:
    return dict.fromkeys(Hardening.model_fields, value) if isinstance(value, bool) else value


def _automatic(value: Any) -> Any:
    """Read `auto` as true: the host decides how much swap it needs, if any."""
    return True if value == "auto" else value


class Hardening(Model):
    """Parts of a host's hardening, each on or off."""

    ssh: kind.Flag = Field(
        True,
        description="SSH login by key only; no login as root once a user with full sudo has logged in, unless `roles` "
        "name root.",
    )
    firewall: kind.Flag = Field(
        True, description="Firewall that admits SSH, the ports that the roles need, and those of `firewall`."
    )
    upgrades: kind.Flag = Field(True, description="Automatic security upgrades, without reboots.")
    fail2ban: kind.Flag = Field(True, description="Temporary bans for addresses with repeated failed logins.")
    sysctl: kind.Flag = Field(True, description="Safer kernel parameters.")
    time: kind.Flag = Field(
        True, description="Time synchronisation, by systemd-timesyncd unless another program does it."
    )
    swap: Annotated[kind.Flag, BeforeValidator(_automatic)] = Field(
        True, description="Swap file for a host with less than 2 GiB of memory and no swap."
    )


HardeningSetting = Annotated[
    Hardening,
    MappingOf("true, false, or a mapping such as {firewall: false}"),
    BeforeValidator(_all_or_nothing),
]
FirewallSetting = Annotated[FirewallRules, MappingOf("a mapping such as {allow: [{port: 5432, from: web}]}")]
