"""Hosts as they are written: `[user@]host[:port]`, patterns and lists."""

from __future__ import annotations

import functools
import ipaddress
import itertools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError, UsageError
from ..printable import cut

if TYPE_CHECKING:
    from fabric import Config, Connection

HOST_FORM = "[user@]host[:port], such as root@web1.example.com, root@203.0.113.7:2222 or root@[2001:db8::1]:22"
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\\+-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]+")
# An IPv6 address in brackets never has exactly one colon.
_RANGE = re.compile(r"\[([0-9]{1,9}):([0-9]{1,9})\]")
_MOST_HOSTS = 1000
_LONGEST = 1000


@dataclass(frozen=True, eq=False)
class Host:
    """A host of SSH.

    Two hosts are equal if user, host and port are, regardless of the name's case and the spelling of an IPv6 address.

    :param host: DNS name, address (IPv6 without brackets) or name from the SSH configuration.
    :param user: None for the one of the SSH configuration, or Fabric's `user` setting.
    :param port: None for the one of the SSH configuration, or Fabric's `port` setting.
    """

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, spec: str) -> Host:
        """Read `[user@]host[:port]`, with an IPv6 address in brackets.

        :raises SettingsError: the text is not a host.
        """
        try:
            return read_host(spec)
        except ValueError as error:
            hint = f"; {error}" if str(error) else ""
            raise SettingsError(f"found {cut(spec)!r}, expected {HOST_FORM}{hint}") from None

    @classmethod
    def of(cls, connection: Connection) -> Host:
        """Return the host of a connection, by its original name and not the `HostName` of the SSH configuration."""
        return cls(connection.original_host, connection.user, connection.port)

    @property
    def spec(self) -> str:
        """Text of this host, which `parse` reads."""
        user = f"{self.user}@" if self.user else ""
        return user + bracketed(self.host) + (f":{self.port}" if self.port else "")

    def connect_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments for `fabric.Connection`; Fabric finds the missing ones."""
        given = {"host": self.host, "user": self.user, "port": self.port}
        return {name: value for name, value in given.items() if value is not None}

    def __str__(self) -> str:
        return self.spec

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Host) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str | None, str, int | None]:
        return self.user, self.host.lower(), self.port


def bracketed(host: str) -> str:
    """Put an IPv6 address in brackets, for use before a colon and a port."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Machine:
    """Identity of a machine, regardless of the host's spelling and user.

    :param address: name or address of the connection, normalised.
    :param way: route of the SSH configuration: the same address behind another jump host is another machine.
    """

    address: str
    port: int
    way: str = ""


Machines = Callable[[Host], Machine]


def machine_as_written(host: Host) -> Machine:
    """Identify the machine of a host by its text alone."""
    return Machine(_one_spelling(host.host), host.port or 22)


def machines_of(config: Config) -> Machines:
    """Make a function that identifies the machine of a host by `~/.ssh/config` and Fabric's setting `port`.

    :raises SettingsError: this setting is not a number.
    """
    if not re.fullmatch("[0-9]{1,5}", str(config.port)):
        raise SettingsError(f"port: found {config.port!r}, expected a port, from 1 to 65535")

    @functools.cache
    def machine(host: Host) -> Machine:
        found = config.base_ssh_config.lookup(host.host)
        port = host.port or int(found.get("port", config.port))
        way = found.get("proxyjump", found.get("proxycommand", ""))
        return Machine(_one_spelling(found.get("hostname", host.host)), port, way)

    return machine


def _one_spelling(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")


def expand(spec: str) -> list[str]:
    """Expand a pattern: `web[01:20].example.com` to 20 texts, a text without ranges to itself.

    :raises ValueError: with the problem of an invalid range.
    """
    _check_length(spec)
    texts = _RANGE.split(spec)
    bounds = list(zip(texts[1::3], texts[2::3], strict=True))
    ranges = [_range(first, last) for first, last in bounds]
    count = math.prod(map(len, ranges))
    if count > _MOST_HOSTS:
        raise ValueError(f"the pattern stands for {count} hosts, the limit is {_MOST_HOSTS}")
    choices = [texts[:1]]
    for (first, _), numbers, text in zip(bounds, ranges, texts[3::3], strict=True):
        width = len(first) if first.startswith("0") else 0
        choices += [[f"{number:0{width}}" for number in numbers], [text]]
    return ["".join(parts) for parts in itertools.product(*choices)]


def _check_length(spec: str) -> None:
    if len(spec) > _LONGEST:
        raise ValueError(f"it has {len(spec)} characters, the limit is {_LONGEST}")


def _range(first: str, last: str) -> range:
    if int(first) > int(last):
        raise ValueError(f"write the smaller number first: [{last}:{first}]")
    if last.startswith("0") and len(first) != len(last):
        raise ValueError(f"write both numbers with the same number of digits: [{first.zfill(len(last))}:{last}]")
    return range(int(first), int(last) + 1)


def listed(text: str, flag: str) -> list[str]:
    """Read the comma-separated hosts of a flag, and expand patterns.

    :raises UsageError: a pattern is invalid, or there is no host: an empty variable of the shell must not mean all
        hosts.
    """
    specs = [spec.strip() for spec in text.split(",") if spec.strip()]
    try:
        hosts = [host for spec in specs for host in expand(spec)]
    except ValueError as error:
        raise UsageError(f"{flag}: found {cut(text)!r}, expected {HOST_FORM}; {error}") from None
    if not hosts:
        raise UsageError(f"{flag}: the host is missing, expected {HOST_FORM}")
    return hosts


def read_host(spec: str) -> Host:
    """Do as `Host.parse`, for callers with their own error messages.

    :raises ValueError: the text is not a host; with a hint what to write instead, if there is one.
    """
    _check_length(spec)
    login, at, place = spec.rpartition("@")
    user = login if at else None
    if user is not None and not _USER.fullmatch(user):
        raise ValueError
    if place.startswith("["):
        address, _, rest = place[1:].partition("]")
        return Host(_ipv6(address), user, _port(rest))
    if place.count(":") > 1 and "[" not in place:
        raise ValueError(f"write an IPv6 address in brackets: {login}{at}[{_ipv6(place)}]")
    name, colon, number = place.partition(":")
    if not _NAME.fullmatch(name):
        raise ValueError("a pattern is written [first:last], as in web[01:20].example.com" if "[" in place else "")
    return Host(name, user, _port(colon + number))


def _ipv6(address: str) -> str:
    # After the % is the name of a network interface, which Python does not check.
    plain, percent, interface = address.partition("%")
    try:
        found = str(ipaddress.IPv6Address(plain))
    except ValueError:
        raise ValueError(f"{cut(address)!r} is not a valid IPv6 address") from None
    if percent and not _INTERFACE.fullmatch(interface):
        raise ValueError(f"{cut(interface)!r} is not a valid name of a network interface")
    return found + percent + interface


def _port(rest: str) -> int | None:
    """Read the port after a host: nothing, or a colon and a number."""
    if not rest:
        return None
    if not re.fullmatch(r":[0-9]{1,5}", rest) or not 0 < int(rest[1:]) < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return int(rest[1:])
