"""The hosts of the roles as the settings have them: a text each, or a mapping with values of the host's own."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from ..openssh.host import HOST_FORM, Host, Machine, Machines
from . import values as kind
from .context import NO_CONTEXT
from .kinds import ListOf, MappingOf, UnexpectedError
from .model import Model

_ENTRY = f"{HOST_FORM}, or a mapping such as {{host: web1.example.com, weight: 2}}"
# What Fabric gives to paramiko itself.
_NOT_FOR_USERS = {"self", "hostname", "port", "username", "timeout", "sock"}


def _with_login(host: Host, info: ValidationInfo) -> Host:
    """The host with the user and the port that stand beside it."""
    user, port = info.data.get("user"), info.data.get("port")
    for name, beside, inside in (("user", user, host.user), ("port", port, host.port)):
        if beside is not None and inside is not None:
            raise UnexpectedError(f"a host without {name}, since `{name}: {beside}` stands beside it")
    return Host(host.host, host.user or user, host.port or port)


def _argument(name: str) -> str:
    """A keyword argument that paramiko's `SSHClient.connect` has: an unknown one would fail in its call."""
    from paramiko import SSHClient

    known = set(inspect.signature(SSHClient.connect).parameters) - _NOT_FOR_USERS
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise UnexpectedError(
            "an argument of paramiko's SSHClient.connect, such as key_filename",
            f"did you mean {near[0]}?" if near else "",
        )
    return name


class HostEntry(Model):
    """One host of a role, with values of its own; what is None is as it is for all hosts."""

    user: kind.UserName | None = Field(None, description="User that logs in, where it does not stand before the host.")
    port: kind.Port | None = Field(None, description="Port of SSH, where it does not stand after the host.")
    host: Annotated[kind.HostSpec, AfterValidator(_with_login)] = Field(
        description="The host, or a pattern for several that have the same values."
    )
    address: kind.Address | None = Field(
        None,
        description="IP address or name by which the other hosts reach this one. Default: that by which it is reached "
        "from here.",
    )
    weight: kind.Weight | None = Field(
        None,
        description="Share of the requests that a balancer gives to it, beside the weights of the others. Default: 1.",
    )
    workers: kind.Positive | None = Field(None, description="`workers` of this host.")
    python: kind.Interpreter | None = Field(None, description="`python` of this host.")
    primary: kind.Flag = Field(
        False,
        description="Whether this is the host that runs the `release` process. Without any, it is the first "
        "that runs the app.",
    )
    gateway: kind.HostSpec | None = Field(
        None, description="Host that the connection goes through. Default: the `ProxyJump` of the SSH configuration."
    )
    connect_timeout: kind.Positive | None = Field(None, description="Seconds to wait for the connection. Default: 10.")
    forward_agent: kind.Flag | None = Field(None, description="Whether the SSH agent here can be used there.")
    connect_kwargs: Annotated[
        dict[Annotated[str, AfterValidator(_argument)], Any],
        MappingOf("a mapping such as {key_filename: /home/me/.ssh/web}"),
    ] = Field(default_factory=dict, repr=False, description="Further arguments of paramiko's `SSHClient.connect`.")

    def own(self) -> dict[str, Any]:
        """What is said of this host, by key, besides where it is and who logs in."""
        keys = [key for key in type(self).model_fields if key in self.model_fields_set]
        return {key: getattr(self, key) for key in keys if key not in ("user", "port", "host")}


@dataclass(frozen=True)
class HostList(ListOf):
    """A list of hosts: each a text or a mapping, and each one host or a pattern for several."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entries = core_schema.list_schema(core_schema.no_info_plain_validator_function(_entries))
        hosts = core_schema.no_info_after_validator_function(_each_host_once, entries)
        return core_schema.no_info_before_validator_function(self._check, hosts)


def _entries(member: Any) -> list[tuple[str, HostEntry]]:
    """What one member of the list stands for, each with its host's text."""
    if isinstance(member, HostEntry):
        return [(member.host.spec, member)]
    if isinstance(member, str | Host):
        return [(text, HostEntry(host=kind.host(text))) for text in kind.host_texts(str(member))]
    if not isinstance(member, dict):
        raise UnexpectedError(_ENTRY)
    given = {key: value for key, value in member.items() if value is not None}
    return [(str(one.get("host")), HostEntry.model_validate(one)) for one in _one_by_one(given)]


def _one_by_one(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The same mapping for each host of its pattern; where there is none, its key `host` will say so."""
    try:
        return [{**given, "host": text} for text in kind.host_texts(given["host"])]
    except (KeyError, UnexpectedError):
        return [given]


def _each_host_once(members: list[list[tuple[str, HostEntry]]]) -> list[HostEntry]:
    places: dict[tuple[str, Host], int] = {}
    for index, member in enumerate(members):
        for text, entry in member:
            first = places.setdefault((text, entry.host), index)
            if first != index:
                raise UnexpectedError("each host once", found=f"{text!r} at [{first}] and again at [{index}]")
    return [entry for member in members for _, entry in member]


@dataclass
class _Said:
    """What is said of one machine, in all its roles and spellings."""

    user: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, entry: HostEntry, role: str) -> None:
        """Take in what one role says.

        :raises UnexpectedError: something else has been said before.
        """
        place = f"{entry.host} in {role}"
        self.user = self.user or entry.host.user
        for key, value in entry.own().items():
            if self.values.setdefault(key, value) != value:
                found = f"another {key} for {place} than for {self.places[key]}"
                raise UnexpectedError("the same, since they are one host", found=found)
            self.places.setdefault(key, place)

    def over(self, entry: HostEntry) -> HostEntry:
        """An entry with all that is said of its machine."""
        host = Host(entry.host.host, entry.host.user or self.user, entry.host.port)
        return entry.model_copy(update={**self.values, "host": host})


def merged(roles: dict[str, list[HostEntry]], info: ValidationInfo) -> dict[str, list[HostEntry]]:
    """The roles with each machine once in each, and with all that is said of it in any of them.

    :raises UnexpectedError: the roles contradict each other, or make no sense together.
    """
    machine = (info.context or NO_CONTEXT).machine
    said: dict[Machine, _Said] = {}
    for role, entries in roles.items():
        for entry in entries:
            said.setdefault(machine(entry.host), _Said()).add(entry, role)
    _check_primaries(said)
    _check_gateways(said, machine)
    found_in: dict[str, dict[Machine, HostEntry]] = {role: {} for role in roles}
    for role, entries in roles.items():
        for entry in entries:
            found_in[role].setdefault(machine(entry.host), said[machine(entry.host)].over(entry))
    return {role: list(entries.values()) for role, entries in found_in.items()}


def _check_primaries(said: dict[Machine, _Said]) -> None:
    places = [of_one.places["primary"] for of_one in said.values() if of_one.values.get("primary")]
    if len(places) > 1:
        found = f"`primary: true` for {places[0]} and for {places[1]}"
        raise UnexpectedError("it for one host at most, which runs `release`", found=found)


def _check_gateways(said: dict[Machine, _Said], machine: Machines) -> None:
    """See that the way through gateways, which may have gateways themselves, ends somewhere."""
    for of_one in said.values():
        passed: set[Machine] = set()
        step: _Said | None = of_one
        while step and (gateway := step.values.get("gateway")):
            if machine(gateway) in passed:
                raise UnexpectedError("a way that ends", found=f"gateways in a circle for {of_one.places['gateway']}")
            passed.add(machine(gateway))
            step = said.get(machine(gateway))
