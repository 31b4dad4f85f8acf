"""Listings by host, with one block for all hosts that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..console import Console

if TYPE_CHECKING:
    from ..fleet import Fleet, Member

T = TypeVar("T")

# A line of text, and its style.
Line = tuple[str, str | None]


class HostView(Protocol):
    """View of a host; equal for hosts that are alike."""

    @property
    def title(self) -> str:
        """The first line, after the names of the hosts."""

    def lines(self) -> Iterator[Line]:
        """Yield the lines below it."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""


def alike(console: Console, found: Mapping[Member, T]) -> list[tuple[list[str], T]]:
    """Group views that are alike, with the names of their hosts."""
    groups: list[tuple[list[str], T]] = []
    for member, seen in found.items():
        name = console.name(member.label)
        names = next((names for names, other in groups if other == seen), None)
        if names is None:
            groups.append(([name], seen))
        else:
            names.append(name)
    return groups


def show(console: Console, found: Mapping[Member, HostView]) -> None:
    """Print a block for all hosts that are alike."""
    for names, seen in alike(console, found):
        console.say(f"{', '.join(names)} ({seen.title}):", style="bold")
        for text, style in seen.lines():
            console.say(f"  {text}", style)


def documents(fleet: Fleet, found: Mapping[Member, HostView]) -> dict[str, dict[str, Any]]:
    """Return the view of each host as plain data, or its error."""
    seen = {member.label: found[member].to_json() for member in found}
    return {**seen, **{report.host: {"error": report.problem()} for report in fleet.reports if not report.ok}}
