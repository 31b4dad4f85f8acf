"""Progress of the hosts of a run, under their short names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

State = Literal["waiting", "working", "done", "failed"]
# Red, green and yellow have meanings already.
_COLOURS = ("cyan", "magenta", "blue", "bright_cyan", "bright_magenta", "bright_blue")


@dataclass
class Progress:
    """Progress of one host.

    :param text: the phase while it works; else what it waits for, or its verdict.
    :param total: number of resources of the phase; 0 when it is unknown.
    """

    state: State = "waiting"
    text: str = "waiting"
    total: int = 0
    number: int = 0
    resource: str = ""
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> int:
        """Seconds since the start of the current work."""
        return int(time.monotonic() - self.since)

    @property
    def step(self) -> str:
        """The current resource."""
        if not (self.total and self.number):
            return self.resource
        # Handlers come after the last resource.
        return f"{min(self.number, self.total)}/{self.total} {self.resource}"


class FleetProgress:
    """Progress of the hosts of a run; a run on one host is a fleet of one.

    :param labels: the hosts as written after `-H`.
    :param what: the name of the run; empty without a title.
    """

    def __init__(self, labels: Sequence[str] = (), what: str = "", dry_run: bool = False) -> None:
        self.what, self.dry_run = what, dry_run
        self.several = len(labels) > 1
        self.progress = {label: Progress() for label in labels}
        self._names = short_names(labels) if self.several else {label: label for label in labels}
        self._numbers = {label: number for number, label in enumerate(labels)}
        self.width = max(map(len, self._names.values()), default=0)
        # A run of a single phase has its name, which the title shows.
        self._announced = set(what.split())

    @property
    def title(self) -> str:
        """Title of the run."""
        who = f"{len(self.progress)} hosts" if self.several else next(iter(self.progress))
        return f"{who}: {self.what}" + (" (dry run: nothing is touched)" if self.dry_run else "")

    def name(self, label: str) -> str:
        """Return the name of a host in this run."""
        return self._names.get(label, label)

    def style(self, label: str) -> str:
        """Return the colour of a host, the same throughout the run."""
        return _COLOURS[self._numbers.get(label, 0) % len(_COLOURS)] if self.several else ""

    def start(self, label: str, number: int, resource: str) -> None:
        """Note that a host begins a resource of its phase."""
        if progress := self.progress.get(label):
            progress.number, progress.resource = number, resource

    def enter(self, label: str, phase: str, total: int) -> bool:
        """Note that a host begins a phase.

        :returns: whether the phase is new: it has resources, and no other host has begun it.
        """
        self.progress[label] = Progress("working", phase, total)
        if not self.what or not self.several or not total or phase in self._announced:
            return False
        self._announced.add(phase)
        return True


def short_names(labels: Sequence[str]) -> dict[str, str]:
    """Shorten each label to its host, unless two hosts would get the same name."""
    bare = {label: label.rpartition("@")[2] for label in labels}
    times = Counter(bare.values())
    return {label: name if times[name] == 1 else label for label, name in bare.items()}
