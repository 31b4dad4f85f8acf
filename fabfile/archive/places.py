"""Where the parts of a backup are: the host of each, in one fleet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..roles import ALL_ROLES
from ..targets import of_role, primary
from .parts import Part

if TYPE_CHECKING:
    from invoke.context import Context

    from ..fleet import Member
    from ..settings import Settings
    from ..targets import Target


def main_host(hosts: Sequence[Target]) -> Target:
    """The host whose files and environment are kept: the one that does for all what is done once.

    :raises UsageError: none runs the app.
    """
    found = primary(hosts)
    if found is None:
        raise UsageError("found no host that runs the app, expected one; see `fab hosts`")
    return found


def beside(c: Context, settings: Settings, hosts: Sequence[Target], wanted: Sequence[Part]) -> list[Target]:
    """The hosts of the parts that are on none of these hosts: the first of each role."""
    if hosts[0].roles is ALL_ROLES:
        # One that is given with -H has services of its own.
        return []
    there = {settings.machine(target.host) for target in hosts}
    found = {}
    for role in dict.fromkeys(part.role for part in wanted if part.role):
        target = of_role(c, settings, role)[0]
        if settings.machine(target.host) not in there:
            found[settings.machine(target.host)] = target
    return list(found.values())


def placed(
    settings: Settings, wanted: Sequence[Part], members: Sequence[Member], main: Member
) -> list[tuple[Part, Member]]:
    """Each part with the host that it is on.

    :param members: all hosts.
    :param main: see `main_host`.
    """
    here = main.target.roles is ALL_ROLES
    return [(part, main if here or not part.role else _member(settings, part, members)) for part in wanted]


def _member(settings: Settings, part: Part, members: Sequence[Member]) -> Member:
    machine = settings.machine(settings.roles[part.role][0].host)
    return next(member for member in members if settings.machine(member.target.host) == machine)
