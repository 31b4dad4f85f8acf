"""Settings of what keeps a host safe: the parts of the hardening, and what its firewall lets in beside the roles."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from . import values as kind
from .kinds import ListOf, MappingOf, OneOrList, Scalar, Text, UnexpectedError
from .model import Model

_SOURCE = "an IP address, a network such as 10.0.0.0/8, or a role"
_NETWORK = "an IP address such as 203.0.113.7, or a network such as 10.0.0.0/8"


def is_role_name(text: str) -> bool:
    """Whether a text is written as a role, and not as an address."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) is not None


def network(text: str) -> str:
    """An address or a network in its one spelling.

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
    """One thing that the firewall lets in."""

    port: kind.Port = Field(description="Port on the host.")
    protocol: Annotated[Literal["tcp", "udp"], Scalar("tcp or udp")] = Field("tcp", description="`tcp` or `udp`.")
    sources: Annotated[list[Source], OneOrList(f"{_SOURCE}, or a list of them")] = Field(
        default_factory=list, alias="from", description="Who may come: addresses, networks, roles. Default: everybody."
    )
    to: Annotated[list[kind.RoleName], OneOrList("a role, or a list of them")] = Field(
        default_factory=list, description="Roles whose hosts let it in. Default: every host."
    )


class Firewall(Model):
    """What the firewall lets in, beside what the roles need."""

    allow: Annotated[
        list[Annotated[Allow, MappingOf("a mapping such as {port: 5432, from: web}")]],
        ListOf("a list of what is let in, such as [{port: 8080, from: 10.0.0.0/8}]"),
    ] = Field(
        default_factory=list,
        description="What is let in beside SSH and what the roles need, each `{port: 8125, protocol: udp, from: web, "
        "to: db}`. Only `port` is required; `from` is an address, a network, a role, or a list of these.",
    )
    trusted: Annotated[list[Network], OneOrList(f"{_NETWORK}, or a list of them")] = Field(
        default_factory=list,
        description="Addresses and networks whose SSH connections are not limited, and that are never banned.",
    )


def _all_or_nothing(value: Any) -> Any:
    return dict.fromkeys(Hardening.model_fields, value) if isinstance(value, bool) else value


def _automatic(value: Any) -> Any:
    """`auto` is another word for true: how much swap, if any, is for the host to find out."""
    return True if value == "auto" else value


class Hardening(Model):
    """Which parts of a host's hardening are looked after."""

    ssh: kind.Flag = Field(
        True, description="SSH by key only; not as root once a user with full sudo has come, unless `roles` name root."
    )
    firewall: kind.Flag = Field(
        True, description="A firewall that lets in SSH, what the roles of the host need, and what `firewall` names."
    )
    upgrades: kind.Flag = Field(True, description="Security upgrades by themselves; never a reboot.")
    fail2ban: kind.Flag = Field(True, description="Addresses that keep failing to log in are shut out for a while.")
    sysctl: kind.Flag = Field(True, description="Safer values of the kernel.")
    time: kind.Flag = Field(True, description="The clock is kept right, by systemd-timesyncd where nothing else does.")
    swap: Annotated[kind.Flag, BeforeValidator(_automatic)] = Field(
        True, description="A swap file, on a host of less than 2 GiB of memory that has no swap."
    )


HardeningSetting = Annotated[
    Hardening,
    MappingOf("true, false, or a mapping such as {firewall: false}"),
    BeforeValidator(_all_or_nothing),
]
FirewallSetting = Annotated[Firewall, MappingOf("a mapping such as {allow: [{port: 5432, from: web}]}")]
