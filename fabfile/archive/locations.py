"""Hosts that hold the parts of a backup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..inventory.parts import Part
from ..inventory.roles import ALL_ROLES

if TYPE_CHECKING:
    from ..fleet import Member
    from ..settings import Settings


def locate(
    settings: Settings, wanted: Sequence[Part], members: Sequence[Member], main: Member
) -> list[tuple[Part, Member]]:
    """Pair each part with the host that holds it.

    :param members: all hosts.
    :param main: see `main_host`.
    """
    here = main.target.roles is ALL_ROLES
    return [(part, main if here or not part.role else _member(settings, part, members)) for part in wanted]


def _member(settings: Settings, part: Part, members: Sequence[Member]) -> Member:
    machine = settings.machine(settings.roles[part.role][0].host)
    return next(member for member in members if settings.machine(member.target.host) == machine)
