"""What was seen of the hosts of a fleet, shown once for all on which it is the same."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .console import Console

if TYPE_CHECKING:
    from .fleet import Fleet, Member

# A line of text, and its style.
Line = tuple[str, str | None]


class Seen(Hashable, Protocol):
    """What was seen of a host; equal where it is the same."""

    @property
    def title(self) -> str:
        """The first line, after the names of the hosts."""

    def lines(self) -> Iterator[Line]:
        """The lines below it."""

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain data."""


def show(console: Console, found: Mapping[Member, Seen]) -> None:
    """Print what was seen, a block for all hosts that are alike."""
    alike: dict[Seen, list[str]] = {}
    for member, seen in found.items():
        alike.setdefault(seen, []).append(console.name(member.label))
    for seen, names in alike.items():
        console.say(f"{', '.join(names)} ({seen.title}):", style="bold")
        for text, style in seen.lines():
            console.say(f"  {text}", style)


def documents(fleet: Fleet, found: Mapping[Member, Seen]) -> dict[str, dict[str, Any]]:
    """What was seen of each host as plain data, or why nothing was."""
    seen = {member.label: found[member].to_json() for member in found}
    return {**seen, **{report.host: {"error": report.problem()} for report in fleet.reports if not report.ok}}
