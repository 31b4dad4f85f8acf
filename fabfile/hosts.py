"""A host as one writes it: `[user@]host[:port]`, read, compared and written; no connection is made here."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import SettingsError

if TYPE_CHECKING:
    from fabric import Connection

HOST_FORM = "[user@]host[:port], such as root@web1.example.com, root@203.0.113.7:2222 or root@[2001:db8::1]:22"
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\\+-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


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
            raise SettingsError(f"found {spec!r}, expected {HOST_FORM}{hint}") from None

    @classmethod
    def of(cls, connection: Connection) -> Host:
        """The host of a connection, by the name it was asked for and not the `HostName` of the SSH configuration."""
        return cls(connection.original_host, connection.user, connection.port)

    @property
    def spec(self) -> str:
        """The one way to write this host: what `parse` reads."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return user + host + (f":{self.port}" if self.port else "")

    def connect_kwargs(self) -> dict[str, Any]:
        """The keyword arguments for `fabric.Connection`; what is not given here stays Fabric's to find."""
        given = {"host": self.host, "user": self.user, "port": self.port}
        return {name: value for name, value in given.items() if value is not None}

    def same_machine(self, other: Host) -> bool:
        """Whether both are one machine, whoever logs in; a port that is not given agrees with every port."""
        ports = {self.port, other.port} - {None}
        return self.host.lower() == other.host.lower() and len(ports) < 2

    def __str__(self) -> str:
        return self.spec

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Host) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str | None, str, int | None]:
        return self.user, self.host.lower(), self.port


def read_host(spec: str) -> Host:
    """What `Host.parse` does, for callers that tell the error themselves.

    :raises ValueError: it is no host; the text says what to write instead, when that can be told.
    """
    login, at, place = spec.rpartition("@")
    user = login if at else None
    if user is not None and not _USER.fullmatch(user):
        raise ValueError
    if place.startswith("["):
        address, _, rest = place[1:].partition("]")
        return Host(_ipv6(address), user, _port(rest))
    if place.count(":") > 1:
        raise ValueError(f"write an IPv6 address in brackets: {login}{at}[{place}]")
    name, colon, number = place.partition(":")
    if not _NAME.fullmatch(name):
        raise ValueError
    return Host(name, user, _port(colon + number))


def _ipv6(address: str) -> str:
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        raise ValueError(f"{address!r} is no IPv6 address") from None


def _port(rest: str) -> int | None:
    """The port in what follows the host: nothing, or a colon and a number."""
    if not rest:
        return None
    if not re.fullmatch(r":[0-9]{1,5}", rest) or not 0 < int(rest[1:]) < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return int(rest[1:])
