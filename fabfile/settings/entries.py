"""Hosts of the roles: texts, or mappings with settings of the host."""

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
from .kinds import ListOf, MappingOf, Model, UnexpectedError

_ENTRY = f"{HOST_FORM}, or a mapping such as {{host: web1.example.com, weight: 2}}"
# Arguments that Fabric itself passes to paramiko.
_NOT_FOR_USERS = {"self", "hostname", "port", "username", "timeout", "sock"}


def _with_login(host: Host, info: ValidationInfo) -> Host:
    """Add the keys `user` and `port` to the host."""
    user, port = info.data.get("user"), info.data.get("port")
    for name, beside, inside in (("user", user, host.user), ("port", port, host.port)):
        if beside is not None and inside is not None:
            raise UnexpectedError(f"a host without {name}, since `{name}: {beside}` sets it")
    return Host(host.host, host.user or user, host.port or port)


def _argument(name: str) -> str:
    """Check the name of an argument of paramiko's `SSHClient.connect`: an unknown one would fail in its call."""
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
    """One host of a role with its own settings; None where the settings of all hosts apply."""

    user: kind.UserName | None = Field(
        None, description="User that logs in, unless `host` has it. Default: that of the SSH configuration."
    )
    port: kind.Port | None = Field(
        None, description="SSH port, unless `host` has it. Default: that of the SSH configuration."
    )
    host: Annotated[kind.HostSpec, AfterValidator(_with_login)] = Field(
        description="The host, or a pattern for several hosts with the same settings."
    )
    address: kind.Address | None = Field(
        None,
        description="IP address or name by which the other hosts reach this one. Default: the one used from here.",
    )
    weight: kind.Weight | None = Field(
        None,
        description="Share of the requests from a balancer, relative to the weights of the other hosts. Default: 1.",
    )
    workers: kind.Positive | None = Field(
        None, description="Number of gunicorn workers on this host. Default: the setting `workers`."
    )
    python: kind.Interpreter | None = Field(
        None, description="Interpreter on this host. Default: the setting `python`."
    )
    primary: kind.Flag = Field(
        False,
        description="Run the `release` process, singletons and cron entries on this host. Without a primary host, the "
        "first one does.",
    )
    gateway: kind.HostSpec | None = Field(
        None, description="Host to connect through. Default: the `ProxyJump` of the SSH configuration."
    )
    connect_timeout: kind.Positive | None = Field(None, description="Seconds to wait for the connection. Default: 10.")
    forward_agent: kind.Flag | None = Field(
        None, description="Let the host use your SSH agent. Default: Fabric's own `forward_agent`."
    )
    connect_kwargs: Annotated[
        dict[Annotated[str, AfterValidator(_argument)], Any],
        MappingOf("a mapping such as {key_filename: /home/me/.ssh/web}"),
    ] = Field(default_factory=dict, repr=False, description="Additional arguments for paramiko's `SSHClient.connect`.")

    def own(self) -> dict[str, Any]:
        """List the settings of this host by key, without host, user and port."""
        keys = [key for key in type(self).model_fields if key in self.model_fields_set]
        return {key: getattr(self, key) for key in keys if key not in ("user", "port", "host")}


@dataclass(frozen=True)
class HostList(ListOf):
    """A list of hosts, each a text or a mapping, for one host or a pattern of several."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entries = core_schema.list_schema(core_schema.no_info_plain_validator_function(_entries))
        hosts = core_schema.no_info_after_validator_function(_each_host_once, entries)
        return core_schema.no_info_before_validator_function(self._check, hosts)


def _entries(member: Any) -> list[tuple[str, HostEntry]]:
    """Expand one member of the list to its hosts, each with its text."""
    if isinstance(member, HostEntry):
        return [(member.host.spec, member)]
    if isinstance(member, str | Host):
        return [(text, HostEntry(host=kind.host(text))) for text in kind.host_texts(str(member))]
    if not isinstance(member, dict):
        raise UnexpectedError(_ENTRY)
    given = {key: value for key, value in member.items() if value is not None}
    return [(str(one.get("host")), HostEntry.model_validate(one)) for one in _one_by_one(given)]


def _one_by_one(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Copy the mapping for each host of its pattern; the schema reports a missing or invalid `host`."""
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
class _Merged:
    """The settings of one machine, from all its roles and spellings."""

    user: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, entry: HostEntry, role: str) -> None:
        """Add the settings of one role.

        :raises UnexpectedError: another role has set another value.
        """
        place = f"{entry.host} in {role}"
        self.user = self.user or entry.host.user
        for key, value in entry.own().items():
            if self.values.setdefault(key, value) != value:
                found = f"another {key} for {place} than for {self.places[key]}"
                raise UnexpectedError("the same, since they are one host", found=found)
            self.places.setdefault(key, place)

    def over(self, entry: HostEntry) -> HostEntry:
        """Return an entry with all settings of its machine."""
        host = Host(entry.host.host, entry.host.user or self.user, entry.host.port)
        return entry.model_copy(update={**self.values, "host": host})


def merged(roles: dict[str, list[HostEntry]], info: ValidationInfo) -> dict[str, list[HostEntry]]:
    """Merge the roles: each machine once per role, with its settings from all of them.

    :raises UnexpectedError: the roles contradict each other.
    """
    machine = (info.context or NO_CONTEXT).machine
    machines: dict[Machine, _Merged] = {}
    for role, entries in roles.items():
        for entry in entries:
            machines.setdefault(machine(entry.host), _Merged()).add(entry, role)
    _check_primaries(machines)
    _check_gateways(machines, machine)
    found_in: dict[str, dict[Machine, HostEntry]] = {role: {} for role in roles}
    for role, entries in roles.items():
        for entry in entries:
            found_in[role].setdefault(machine(entry.host), machines[machine(entry.host)].over(entry))
    return {role: list(entries.values()) for role, entries in found_in.items()}


def _check_primaries(machines: dict[Machine, _Merged]) -> None:
    places = [of_one.places["primary"] for of_one in machines.values() if of_one.values.get("primary")]
    if len(places) > 1:
        found = f"`primary: true` for {places[0]} and for {places[1]}"
        raise UnexpectedError("at most one primary host", found=found)


def _check_gateways(machines: dict[Machine, _Merged], machine: Machines) -> None:
    """Check that gateways, which may have gateways themselves, form no circle."""
    for of_one in machines.values():
        passed: set[Machine] = set()
        step: _Merged | None = of_one
        while step and (gateway := step.values.get("gateway")):
            if machine(gateway) in passed:
                raise UnexpectedError(
                    "gateways without a circle", found=f"gateways in a circle for {of_one.places['gateway']}"
                )
            passed.add(machine(gateway))
            step = machines.get(machine(gateway))
