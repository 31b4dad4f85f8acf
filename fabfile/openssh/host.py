"""A host as one writes it: `[user@]host[:port]`, read, compared and written; no connection is made here."""

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
# No IPv6 address has one colon alone between its brackets.
_RANGE = re.compile(r"\[([0-9]{1,9}):([0-9]{1,9})\]")
_MOST_HOSTS = 1000
_LONGEST = 1000


@dataclass(frozen=True, eq=False)
class Host:
    """One machine as it is reached by SSH.

    Two hosts are equal when user, host and port are, whatever the case of the name and the spelling of an
    IPv6 address.

    :param host: DNS name, address (IPv6 without brackets) or name from the SSH configuration.
    :param user: None for the one of the SSH configuration, or Fabric's `user` setting.
    :param port: None for the one of the SSH configuration, or Fabric's `port` setting.
    """

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, spec: str) -> Host:
        """Read `[user@]host[:port]`; an IPv6 address stands in brackets.

        :raises SettingsError: it is none; the message says what was found and what is expected.
        """
        try:
            return read_host(spec)
        except ValueError as error:
            hint = f"; {error}" if str(error) else ""
            raise SettingsError(f"found {cut(spec)!r}, expected {HOST_FORM}{hint}") from None

    @classmethod
    def of(cls, connection: Connection) -> Host:
        """The host of a connection, by the name it was asked for and not the `HostName` of the SSH configuration."""
        return cls(connection.original_host, connection.user, connection.port)

    @property
    def spec(self) -> str:
        """The one way to write this host: what `parse` reads."""
        user = f"{self.user}@" if self.user else ""
        return user + bracketed(self.host) + (f":{self.port}" if self.port else "")

    def connect_kwargs(self) -> dict[str, Any]:
        """The keyword arguments for `fabric.Connection`; what is not given here stays Fabric's to find."""
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
    """A host's name or address as it stands before a colon and a port: an IPv6 address has colons of its own."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Machine:
    """What tells one machine from another, however it is written and whoever logs in.

    :param address: name or address that is connected to, in one spelling.
    :param way: how the SSH configuration gets there: an address behind one jump host is another behind the next.
    """

    address: str
    port: int
    way: str = ""


Machines = Callable[[Host], Machine]


def machine_as_written(host: Host) -> Machine:
    """The machine that a host is by its text alone."""
    return Machine(_one_spelling(host.host), host.port or 22)


def machines_of(config: Config) -> Machines:
    """A function that tells the machine that a host is, with `~/.ssh/config` and Fabric's `port` setting.

    :raises SettingsError: that is no number.
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
    """Every text that a pattern stands for: `web[01:20].example.com` for 20; a text without ranges for itself.

    :raises ValueError: a range that makes no sense; the text says why.
    """
    _check_length(spec)
    texts = _RANGE.split(spec)
    bounds = list(zip(texts[1::3], texts[2::3], strict=True))
    ranges = [_range(first, last) for first, last in bounds]
    count = math.prod(map(len, ranges))
    if count > _MOST_HOSTS:
        raise ValueError(f"it stands for {count} hosts, and one pattern may for {_MOST_HOSTS}")
    choices = [texts[:1]]
    for (first, _), numbers, text in zip(bounds, ranges, texts[3::3], strict=True):
        width = len(first) if first.startswith("0") else 0
        choices += [[f"{number:0{width}}" for number in numbers], [text]]
    return ["".join(parts) for parts in itertools.product(*choices)]


def _check_length(spec: str) -> None:
    if len(spec) > _LONGEST:
        raise ValueError(f"it has {len(spec)} letters, and {_LONGEST} are the most")


def _range(first: str, last: str) -> range:
    if int(first) > int(last):
        raise ValueError(f"the smaller number comes first: [{last}:{first}]")
    if last.startswith("0") and len(first) != len(last):
        raise ValueError(f"both numbers have as many digits: [{first.zfill(len(last))}:{last}]")
    return range(int(first), int(last) + 1)


def listed(text: str, flag: str) -> list[str]:
    """The hosts that a flag has, commas between them, with those in place of a pattern that it stands for.

    :raises UsageError: a pattern makes no sense, or there is nothing: an empty variable of the shell must not
        come to mean all hosts.
    """
    specs = [spec.strip() for spec in text.split(",") if spec.strip()]
    try:
        hosts = [host for spec in specs for host in expand(spec)]
    except ValueError as error:
        raise UsageError(f"{flag}: found {cut(text)!r}, expected {HOST_FORM}; {error}") from None
    if not hosts:
        raise UsageError(f"{flag}: found no host, expected {HOST_FORM}")
    return hosts


def read_host(spec: str) -> Host:
    """What `Host.parse` does, for callers that tell the error themselves.

    :raises ValueError: it is no host; the text says what to write instead, when that can be told.
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
    # What follows the % is the name of a network interface, which Python takes whatever it is.
    plain, percent, interface = address.partition("%")
    try:
        found = str(ipaddress.IPv6Address(plain))
    except ValueError:
        raise ValueError(f"{cut(address)!r} is no IPv6 address") from None
    if percent and not _INTERFACE.fullmatch(interface):
        raise ValueError(f"{cut(interface)!r} is no name of a network interface")
    return found + percent + interface


def _port(rest: str) -> int | None:
    """The port in what follows the host: nothing, or a colon and a number."""
    if not rest:
        return None
    if not re.fullmatch(r":[0-9]{1,5}", rest) or not 0 < int(rest[1:]) < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return int(rest[1:])
