"""What was seen of the hosts of a fleet, shown once for all on which it is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..console import Console

if TYPE_CHECKING:
    from ..fleet import Fleet, Member

T = TypeVar("T")

# A line of text, and its style.
Line = tuple[str, str | None]


class Seen(Protocol):
    """What was seen of a host; equal where it is the same."""

    @property
    def title(self) -> str:
        """The first line, after the names of the hosts."""

    def lines(self) -> Iterator[Line]:
        """The lines below it."""

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain data."""


def alike(console: Console, found: Mapping[Member, T]) -> list[tuple[list[str], T]]:
    """What was seen, each with the names of all hosts on which it is the same."""
    groups: list[tuple[list[str], T]] = []
    for member, seen in found.items():
        name = console.name(member.label)
        names = next((names for names, other in groups if other == seen), None)
        if names is None:
            groups.append(([name], seen))
        else:
            names.append(name)
    return groups


def show(console: Console, found: Mapping[Member, Seen]) -> None:
    """Print what was seen, a block for all hosts that are alike."""
    for names, seen in alike(console, found):
        console.say(f"{', '.join(names)} ({seen.title}):", style="bold")
        for text, style in seen.lines():
            console.say(f"  {text}", style)


def documents(fleet: Fleet, found: Mapping[Member, Seen]) -> dict[str, dict[str, Any]]:
    """What was seen of each host as plain data, or why nothing was."""
    seen = {member.label: found[member].to_json() for member in found}
    return {**seen, **{report.host: {"error": report.problem()} for report in fleet.reports if not report.ok}}
