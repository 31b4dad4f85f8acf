"""Which hosts a task works on: those of the roles, or of `-H`, within the limits that its flags set."""

from __future__ import annotations

import difflib
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fabric import Connection
from invoke.context import Context

from ..connection import ssh
from ..errors import SettingsError, UsageError
from ..openssh.host import Host, Machine, listed
from .processes import processes
from .roles import cli_hosts, connection_kwargs, hosts_for, roles_of

if TYPE_CHECKING:
    from ..settings import Settings
    from ..settings.processes import Process


@dataclass(frozen=True)
class Target:
    """A host to work on.

    :param host: as the settings or `-H` name it.
    :param roles: the roles it plays.
    :param settings: those of this host, with its own values in place.
    """

    connection: Connection
    host: Host
    roles: Container[str]
    settings: Settings

    @property
    def label(self) -> str:
        """The host as one would write it after `-H`."""
        return ssh.label(self.connection)

    @property
    def processes(self) -> dict[str, Process]:
        """The processes of the app that run on the host."""
        return processes(self.settings, self.roles)


@dataclass(frozen=True)
class Limits:
    """The hosts that the flags of a task leave, each a list with commas as it was typed.

    :param role: only hosts that play one of these roles.
    :param host: only these hosts.
    :param exclude: none of these hosts.
    """

    role: str | None = None
    host: str | None = None
    exclude: str | None = None

    def __str__(self) -> str:
        return " ".join(f"--{name} {value}" for name, value in vars(self).items() if value is not None)


NO_LIMITS = Limits()
# So many hosts are listed in a message.
_MANY = 10


def targets(c: Context, settings: Settings, limits: Limits = NO_LIMITS) -> list[Target]:
    """The hosts that a task works on: the one it was called for, or those of `-H`, or those of the roles.

    :raises SettingsError: there is no such role, or it has no hosts.
    :raises UsageError: there are no hosts, or none is left within the limits.
    """
    if isinstance(c, Connection):
        entry = settings.entry(Host.of(c))
        (host,) = _within(limits, [entry.host if entry else Host.of(c)], settings)
        return [_target(host, settings, c)]
    given = cli_hosts()
    if not given and not any(settings.roles.values()):
        raise UsageError(
            "no hosts: name one with `fab -H user@host ...`, or list them in fabric.yaml:\n"
            "    roles:\n      web: [user@host]"
        )
    hosts = _given(given, settings) if given else hosts_for(settings)
    # Of hosts that the settings do not know, the first runs what runs once.
    others = [host for host in hosts if settings.entry(host) is None][1:]
    once = [name for name, process in settings.processes.items() if process.singleton]
    found = [_target(host, settings, _connection(host, settings, c)) for host in _within(limits, hosts, settings)]
    return [
        replace(target, settings=target.settings.running_once_elsewhere(once)) if target.host in others else target
        for target in found
    ]


def with_app(found: Sequence[Target]) -> list[Target]:
    """Those that run a process of the app, and so get its releases.

    :raises UsageError: none does.
    """
    chosen = [target for target in found if target.processes]
    if not chosen:
        raise UsageError(
            f"no process of the app runs on {_some([target.host for target in found])}; "
            "see `fab hosts` for what runs where"
        )
    return chosen


def others_with_app(c: Context, settings: Settings, hosts: Sequence[Host]) -> list[Target]:
    """The other hosts of the fleet that some hosts belong to, as far as they run a process of the app.

    Hosts that are in no role, as one to rehearse on that is given with `-H`, belong to none.
    """
    if not any(settings.entry(host) for host in hosts):
        return []
    part = {settings.machine(host) for host in hosts}
    rest = [host for host in hosts_for(settings) if settings.machine(host) not in part]
    found = [_target(host, settings, _connection(host, settings, c)) for host in rest]
    return [target for target in found if target.processes]


def of_role(c: Context, settings: Settings, role: str) -> list[Target]:
    """The hosts of a role, whatever hosts the task was given."""
    return named(c, settings, hosts_for(settings, role))


def named(c: Context, settings: Settings, hosts: Sequence[Host]) -> list[Target]:
    """These hosts, whatever hosts the task was given."""
    return [_target(host, settings, _connection(host, settings, c)) for host in hosts]


def primary(found: Sequence[Target]) -> Target | None:
    """The one that runs the `release` process for all: the primary host, or else the first that runs the app.

    :raises SettingsError: the primary host does not run the app.
    """
    running = [target for target in found if target.processes]
    marked = next((target for target in found if _is_marked(target)), None)
    if marked and not any(target is marked for target in running):
        raise SettingsError(
            f"fabric.yaml: roles: found `primary: true` for {marked.host}, which runs no process of the app, "
            "expected it for a host that does, since `release` runs there"
        )
    return marked or next(iter(running), None)


def _is_marked(target: Target) -> bool:
    entry = target.settings.entry(target.host)
    return entry is not None and entry.primary


def _target(host: Host, settings: Settings, connection: Connection) -> Target:
    return Target(connection, host, roles_of(settings, host), settings.on(host))


def _connection(host: Host, settings: Settings, c: Context) -> Connection:
    # A configuration for each connection: Fabric adds the keys of one host to those of the next.
    return Connection(config=c.config.clone(), **connection_kwargs(settings, host, c.config))


def _given(specs: Sequence[str], settings: Settings) -> list[Host]:
    """The hosts of `-H`, each machine once, and as the roles know them where they do."""
    in_roles = _Machines([entry.host for entries in settings.roles.values() for entry in entries], settings)
    hosts: dict[Machine, Host] = {}
    for given in map(Host.parse, specs):
        known = in_roles.meant(given)
        if len(known) > 1:
            raise UsageError(f"-H: found {given}, expected one host of that name, with its port: {_some(known)}")
        host = replace(known[0], user=given.user or known[0].user) if known else given
        hosts.setdefault(settings.machine(host), host)
    return list(hosts.values())


class _Machines:
    """Hosts, to be found by any way to write them."""

    def __init__(self, hosts: Sequence[Host], settings: Settings) -> None:
        self._machine = settings.machine
        self._hosts: dict[Machine, Host] = {}
        for host in hosts:
            self._hosts.setdefault(settings.machine(host), host)

    def meant(self, named: Host) -> list[Host]:
        """The host that is meant by a name, or, where it is without the port, all that differ in no more than that."""
        machine = self._machine(named)
        if machine in self._hosts:
            return [self._hosts[machine]]
        if named.port is not None:
            return []
        return [host for known, host in self._hosts.items() if replace(known, port=machine.port) == machine]


def _within(limits: Limits, hosts: Sequence[Host], settings: Settings) -> list[Host]:
    """The hosts that are left, and never none."""
    left = list(hosts)
    if limits.role is not None:
        asked = _words(limits.role)
        for role in asked:
            hosts_for(settings, role)  # tells when there is no such role, or it has no hosts
        left = [host for host in left if any(role in roles_of(settings, host) for role in asked)]
    if limits.host is not None:
        wanted = _named("--host", limits.host, hosts, settings)
        left = [host for host in left if host in wanted]
    if limits.exclude is not None:
        unwanted = _named("--exclude", limits.exclude, hosts, settings)
        left = [host for host in left if host not in unwanted]
    if not left:
        raise UsageError(f"{limits}: found no host that is left, expected one or more, out of {_some(hosts)}")
    return left


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _named(flag: str, text: str, hosts: Sequence[Host], settings: Settings) -> set[Host]:
    """Those of the hosts that a flag names."""
    machines = _Machines(hosts, settings)
    named: set[Host] = set()
    for spec in listed(text, flag):
        meant = machines.meant(Host.parse(spec))
        if not meant:
            near = difflib.get_close_matches(spec, [host.host for host in hosts], n=1)
            outside = "" if cli_hosts() else "; a host outside of the settings is given with -H"
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"{flag}: found {spec!r}, expected hosts out of {_some(hosts)}{outside}{hint}")
        named.update(meant)
    return named


def _some(hosts: Sequence[Host]) -> str:
    names = ", ".join(host.spec for host in hosts[:_MANY])
    return names if len(hosts) <= _MANY else f"{names}, ... ({len(hosts)} hosts, which `fab hosts` lists)"
