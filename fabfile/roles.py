"""Which hosts play a role, and which roles a host plays; no connection is made here."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import SettingsError, UsageError
from .hosts import Host
from .settings import load_settings
from .settings.fabric_config import running_program

if TYPE_CHECKING:
    from .settings.schema import Settings


class AllRoles(Container[str]):
    """Every role there is or may be: what a host plays that is in none of the roles."""

    def __contains__(self, role: object) -> bool:
        return True

    def __str__(self) -> str:
        return "every role"


ALL_ROLES = AllRoles()


def hosts_for(settings: Settings, role: str | None = None) -> list[Host]:
    """The hosts of a role, or of all roles, in the order of the settings, each machine once. Never empty.

    :raises SettingsError: there is no such role, or it has no hosts.
    """
    if role is not None and role not in settings.roles:
        raise SettingsError(_unknown_role(settings, role))
    chosen = [role] if role is not None else list(settings.roles)
    machines: dict[tuple[str, int | None], Host] = {}
    for name in chosen:
        for host in settings.roles[name]:
            machines.setdefault((host.host.lower(), host.port), host)
    if not machines:
        what = f"role {role!r} has no hosts" if role is not None else "no role has a host"
        raise SettingsError(f"fabric.yaml: roles: {what}; {_how_to_name_hosts(role or 'web')}")
    return list(machines.values())


def roles_of(settings: Settings, host: Host) -> frozenset[str] | AllRoles:
    """The roles that a host plays; a host in none of them, as one given with `-H` only, plays every role.

    The machine counts, not the user: `-H root@web1` is the `deploy@web1` of the settings.
    """
    roles = frozenset(
        name for name, hosts in settings.roles.items() if any(host.same_machine(member) for member in hosts)
    )
    return roles or ALL_ROLES


def role(name: str) -> RoleHosts:
    """The hosts of a role, for `@task(hosts=role("web"))`; looked up when the task is about to run."""
    return RoleHosts(name)


@dataclass(frozen=True)
class RoleHosts:
    """Iterable that reads the settings of the running `fab` only when it is iterated.

    Fabric does that once project file and `-f` file are loaded, and not at all when `-H` is given. It is true
    and never empty: for an empty list of hosts Fabric would run the task on the local machine.
    """

    name: str

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Keyword arguments for `fabric.Connection`, host by host.

        :raises SettingsError: the settings are wrong, there is no such role, or it has no hosts.
        :raises UsageError: no `fab` is running.
        """
        program = running_program()
        if program is None:
            raise UsageError(
                f"role({self.name!r}) was read outside of `fab`, whose settings it needs; "
                "call hosts_for(settings, role) there"
            )
        config = program.config
        if not config._collection:  # Fabric fills this level only after it has asked for the hosts
            config.load_collection(program.collection.configuration())
        for host in hosts_for(load_settings(config), self.name):
            yield host.connect_kwargs()


def cli_hosts() -> list[str]:
    """The hosts given with `-H` to the running `fab`; none when no `fab` is running."""
    program = running_program()
    if program is None:
        return []
    given = program.core[0].args.hosts.value or ""
    return [spec.strip() for spec in given.split(",") if spec.strip()]


def _unknown_role(settings: Settings, role: str) -> str:
    if not settings.roles:
        return f"fabric.yaml: roles: there are none, but role {role!r} is asked for; {_how_to_name_hosts(role)}"
    near = difflib.get_close_matches(role, settings.roles, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"fabric.yaml: roles: found no role {role!r}, expected one of: {', '.join(settings.roles)}{hint}"


def _how_to_name_hosts(role: str) -> str:
    return f"write `roles: {{{role}: [user@host]}}` there, or give hosts with -H user@host"
