"""Hosts of a role, and roles of a host; nothing here connects."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric import Connection

from ..errors import SettingsError, UsageError
from ..openssh.host import Host, Machine
from ..settings.fabric_config import running_program

if TYPE_CHECKING:
    from fabric import Config

    from ..settings.project import Settings

# Keys of a host's entry that are arguments of Fabric's Connection.
_OF_THE_CONNECTION = ("gateway", "connect_timeout", "forward_agent", "connect_kwargs")


class AllRoles(Container[str]):
    """All possible roles, for a host that is in none of the settings' roles."""

    def __contains__(self, role: object) -> bool:
        return True

    def __str__(self) -> str:
        return "every role"


ALL_ROLES = AllRoles()


def hosts_for(settings: Settings, role: str | None = None) -> list[Host]:
    """List the hosts of a role, or of all roles, in the order of the settings, each machine once. Never empty.

    :raises SettingsError: the role is unknown or has no hosts.
    """
    if role is not None and role not in settings.roles:
        raise SettingsError(_unknown_role(settings, role))
    chosen = [role] if role is not None else list(settings.roles)
    machines: dict[Machine, Host] = {}
    for name in chosen:
        for entry in settings.roles[name]:
            machines.setdefault(settings.machine(entry.host), entry.host)
    if not machines:
        what = f"role {role!r} has no hosts" if role is not None else "no role has a host"
        raise SettingsError(f"fabric.yaml: roles: {what}; {_how_to_name_hosts(role or 'web')}")
    return list(machines.values())


def roles_of(settings: Settings, host: Host) -> frozenset[str] | AllRoles:
    """Return the roles of a host; a host without roles, given only with `-H`, has every role.

    The machine counts, not the user: `-H root@web1` is the `deploy@web1` of the settings.
    """
    return settings.roles_of(host) or ALL_ROLES


def connection_kwargs(settings: Settings, host: Host, config: Config) -> dict[str, Any]:
    """Return the keyword arguments for `fabric.Connection` to a host, with those of its entry in the roles.

    :param config: Fabric's configuration, for the connection to the gateway.
    """
    entry = settings.entry(host)
    if entry is None:
        return host.connect_kwargs()
    own = {key: value for key, value in entry.own().items() if key in _OF_THE_CONNECTION}
    if entry.gateway:
        # Each connection gets a configuration: Fabric would add the keys of one host to those of the next.
        own["gateway"] = Connection(config=config.clone(), **connection_kwargs(settings, entry.gateway, config))
    if entry.connect_kwargs:
        # Fabric would ignore those for all hosts, except the keys, which it adds.
        for_all = {key: value for key, value in config.connect_kwargs.items() if key != "key_filename"}
        own["connect_kwargs"] = {**for_all, **entry.connect_kwargs}
    return {**host.connect_kwargs(), **own}


def role(name: str) -> RoleHosts:
    """Return the hosts of a role, for `@task(hosts=role("web"))`; they are looked up just before the task runs."""
    return RoleHosts(name)


@dataclass(frozen=True)
class RoleHosts:
    """Iterable that reads the settings of the running `fab` only when it is iterated.

    Fabric iterates once the project file and the `-f` file are loaded, and not at all with `-H`. It is true and never
    empty: for an empty list of hosts Fabric would run the task on the local machine.
    """

    name: str

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the keyword arguments for `fabric.Connection`, host by host.

        :raises SettingsError: the settings are invalid, or the role is unknown or has no hosts.
        :raises UsageError: `fab` is not running.
        """
        program = running_program()
        if program is None:
            raise UsageError(
                f"role({self.name!r}) needs the settings of a running `fab`; outside of it, call "
                "hosts_for(settings, role)"
            )
        config = program.config
        if not config._collection:  # Fabric fills this level only after it has read the hosts
            config.load_collection(program.collection.configuration())
        from .project import load_settings

        settings = load_settings(config)
        for host in hosts_for(settings, self.name):
            yield connection_kwargs(settings, host, config)


def cli_hosts() -> list[str]:
    """List the hosts of `-H` of the running `fab`; none if it is not running."""
    program = running_program()
    given = program.core[0].args.hosts.value if program else None
    return given.split(",") if given else []


def _unknown_role(settings: Settings, role: str) -> str:
    if not settings.roles:
        return f"fabric.yaml: roles: missing, but role {role!r} is needed; {_how_to_name_hosts(role)}"
    near = difflib.get_close_matches(role, settings.roles, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"fabric.yaml: roles: there is no role {role!r}, expected one of: {', '.join(settings.roles)}{hint}"


def _how_to_name_hosts(role: str) -> str:
    return f"write `roles: {{{role}: [user@host]}}` there, or name hosts with -H user@host"
