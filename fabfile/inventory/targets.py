"""Hosts that a task works on: from roles or `-H`, limited by its flags."""

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

    :param host: the host as in the settings or `-H`.
    :param roles: its roles.
    :param settings: the settings of this host.
    """

    connection: Connection
    host: Host
    roles: Container[str]
    settings: Settings

    @property
    def label(self) -> str:
        """The host as written for `-H`."""
        return ssh.label(self.connection)

    @property
    def processes(self) -> dict[str, Process]:
        """Processes of the app on the host."""
        return processes(self.settings, self.roles)


@dataclass(frozen=True)
class Limits:
    """Limits of a task's flags, each a comma-separated list as typed.

    :param role: only hosts with one of these roles.
    :param host: only these hosts.
    :param exclude: none of these hosts.
    """

    role: str | None = None
    host: str | None = None
    exclude: str | None = None

    def __str__(self) -> str:
        return " ".join(f"--{name} {value}" for name, value in vars(self).items() if value is not None)


NO_LIMITS = Limits()
# Number of hosts to list in a message.
_MANY = 10


def targets(c: Context, settings: Settings, limits: Limits = NO_LIMITS) -> list[Target]:
    """List the hosts that a task works on: that of its connection, or those of `-H`, or those of the roles.

    :raises SettingsError: a role is unknown or has no hosts.
    :raises UsageError: there are no hosts, or the limits leave none.
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
    # Of hosts without a role, the first one runs the singletons.
    others = [host for host in hosts if settings.entry(host) is None][1:]
    once = [name for name, process in settings.processes.items() if process.singleton]
    found = [_target(host, settings, _connection(host, settings, c)) for host in _within(limits, hosts, settings)]
    return [
        replace(target, settings=target.settings.running_once_elsewhere(once)) if target.host in others else target
        for target in found
    ]


def with_app(found: Sequence[Target]) -> list[Target]:
    """Select the hosts that run a process of the app, and so get its releases.

    :raises UsageError: there is none.
    """
    chosen = [target for target in found if target.processes]
    if not chosen:
        raise UsageError(
            f"no process of the app runs on {_some([target.host for target in found])}; "
            "see `fab hosts` for the processes of each host"
        )
    return chosen


def others_with_app(c: Context, settings: Settings, hosts: Sequence[Host]) -> list[Target]:
    """List the other hosts of the fleet that run a process of the app.

    Hosts without a role, such as a rehearsal host given with `-H`, belong to no fleet.
    """
    if not any(settings.entry(host) for host in hosts):
        return []
    part = {settings.machine(host) for host in hosts}
    rest = [host for host in hosts_for(settings) if settings.machine(host) not in part]
    found = [_target(host, settings, _connection(host, settings, c)) for host in rest]
    return [target for target in found if target.processes]


def of_role(c: Context, settings: Settings, role: str) -> list[Target]:
    """List the hosts of a role, regardless of the task's hosts."""
    return named(c, settings, hosts_for(settings, role))


def named(c: Context, settings: Settings, hosts: Sequence[Host]) -> list[Target]:
    """Make targets of these hosts, regardless of the task's hosts."""
    return [_target(host, settings, _connection(host, settings, c)) for host in hosts]


def primary(found: Sequence[Target]) -> Target | None:
    """Choose the host that runs the `release` process: the primary one, else the first that runs the app.

    :raises SettingsError: the primary host does not run the app.
    """
    running = [target for target in found if target.processes]
    marked = next((target for target in found if _is_marked(target)), None)
    if marked and not any(target is marked for target in running):
        raise SettingsError(
            f"fabric.yaml: roles: found `primary: true` for {marked.host}, which runs no process of the app, "
            "expected it for a host of the app, since `release` runs there"
        )
    return marked or next(iter(running), None)


def _is_marked(target: Target) -> bool:
    entry = target.settings.entry(target.host)
    return entry is not None and entry.primary


def _target(host: Host, settings: Settings, connection: Connection) -> Target:
    return Target(connection, host, roles_of(settings, host), settings.on(host))


def _connection(host: Host, settings: Settings, c: Context) -> Connection:
    # Each connection gets a configuration: Fabric would add the keys of one host to those of the next.
    return Connection(config=c.config.clone(), **connection_kwargs(settings, host, c.config))


def _given(specs: Sequence[str], settings: Settings) -> list[Host]:
    """Read the hosts of `-H`, each machine once, with their entries in the roles."""
    in_roles = _Machines([entry.host for entries in settings.roles.values() for entry in entries], settings)
    hosts: dict[Machine, Host] = {}
    for given in map(Host.parse, specs):
        known = in_roles.meant(given)
        if len(known) > 1:
            raise UsageError(f"-H: {given} is ambiguous, expected one of these with its port: {_some(known)}")
        host = replace(known[0], user=given.user or known[0].user) if known else given
        hosts.setdefault(settings.machine(host), host)
    return list(hosts.values())


class _Machines:
    """Hosts that can be found by any spelling."""

    def __init__(self, hosts: Sequence[Host], settings: Settings) -> None:
        self._machine = settings.machine
        self._hosts: dict[Machine, Host] = {}
        for host in hosts:
            self._hosts.setdefault(settings.machine(host), host)

    def meant(self, named: Host) -> list[Host]:
        """Find the host of a name; a name without port matches all hosts that differ only in their ports."""
        machine = self._machine(named)
        if machine in self._hosts:
            return [self._hosts[machine]]
        if named.port is not None:
            return []
        return [host for known, host in self._hosts.items() if replace(known, port=machine.port) == machine]


def _within(limits: Limits, hosts: Sequence[Host], settings: Settings) -> list[Host]:
    """Apply the limits; the result is never empty."""
    left = list(hosts)
    if limits.role is not None:
        named = _words(limits.role)
        for role in named:
            hosts_for(settings, role)  # raises an error if the role is unknown or has no hosts
        left = [host for host in left if any(role in roles_of(settings, host) for role in named)]
    if limits.host is not None:
        wanted = _named("--host", limits.host, hosts, settings)
        left = [host for host in left if host in wanted]
    if limits.exclude is not None:
        unwanted = _named("--exclude", limits.exclude, hosts, settings)
        left = [host for host in left if host not in unwanted]
    if not left:
        raise UsageError(f"{limits}: no host is left, expected one or more of {_some(hosts)}")
    return left


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _named(flag: str, text: str, hosts: Sequence[Host], settings: Settings) -> set[Host]:
    """Select the hosts that a flag names."""
    machines = _Machines(hosts, settings)
    named: set[Host] = set()
    for spec in listed(text, flag):
        meant = machines.meant(Host.parse(spec))
        if not meant:
            near = difflib.get_close_matches(spec, [host.host for host in hosts], n=1)
            outside = "" if cli_hosts() else "; name a host outside of the settings with -H"
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"{flag}: found {spec!r}, expected hosts of {_some(hosts)}{outside}{hint}")
        named.update(meant)
    return named


def _some(hosts: Sequence[Host]) -> str:
    names = ", ".join(host.spec for host in hosts[:_MANY])
    return names if len(hosts) <= _MANY else f"{names}, ... ({len(hosts)} hosts; see `fab hosts`)"
