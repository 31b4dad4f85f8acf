"""A release of the code that is live already, with something else about it changed: its variables or its scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import environment, recipes
from ..connection import requests
from ..connection.requests import Request, whoami
from ..console import Console
from ..errors import ReleaseError
from ..fleet.fleet import Member
from ..fleet.summary import told
from ..hostkit.app.layout import Record
from ..inventory.targets import Limits, targets, with_app
from ..report import Report
from .deployment import Underway, require_agreed, underway
from .releases import new_record
from .source import Source

if TYPE_CHECKING:
    from invoke.context import Context

    from ..contract.base import Resource
    from ..environment.variables import Kept
    from ..hostkit.app.variables import Variables
    from ..settings import Settings


@dataclass(frozen=True)
class Live:
    """The release that is live on all hosts of a run.

    :param kept: what each host keeps.
    :param ids: of all releases on any of the hosts.
    """

    run: Underway
    record: Record
    kept: Mapping[Member, Kept]
    ids: Sequence[str]

    @classmethod
    def on(cls, run: Underway) -> Live:
        """What the hosts have answered to `_questions`.

        :raises ReleaseError: they have different releases, or none.
        """
        kept = {member: answer for member, (_, answer) in run.answers.items()}
        ids = [record["id"] for listing, _ in run.answers.values() for record in listing["records"]]
        return cls(run, _live(list(kept.values())), kept, ids)

    @property
    def variables(self) -> Variables:
        """What people have set on the hosts, of the host on which it was set last."""
        return environment.variables.last_set(list(self.kept.values()))

    def has(self, wanted: Variables) -> bool:
        """Whether all hosts have what people would have set."""
        return all(
            (host.variables.chosen, host.variables.scale) == (wanted.chosen, wanted.scale)
            for host in self.kept.values()
        )

    def again(self, subject: str, wanted: Variables) -> str:
        """Put out a new release of its code, on all hosts or on none; returns its id.

        :param subject: what people see of it.
        :param wanted: with what is set on the hosts; what the settings have given stays as each host has it.
        :raises FleetError: it failed on a host, and all have what they had.
        """
        record = new_record(Source("", self.record.revision, subject), whoami(), time.time(), self.ids)

        def prepare(member: Member) -> Sequence[Resource]:
            new = replace(wanted, given=self.kept[member].variables.given, since=record.id)
            return recipes.release.reconfigured(
                member.settings, member.target.roles, record, self.record.id, environment.variables.Wanted(new, {})
            )

        self.run.put_out(record.id, prepare, dict.fromkeys(self.kept, self.record.id))
        return record.id


def _questions(app: str) -> Sequence[Request[Any]]:
    return requests.ask("releases", app=app), environment.variables.kept(app)


def _live(kept: Sequence[Kept]) -> Record:
    """The release that is live on all hosts."""
    releases = {host.label: host.live for host in kept}
    if without := [label for label, live in releases.items() if live is None]:
        raise ReleaseError(f"found no release on {', '.join(without)}, expected a live one; `fab deploy` first")
    found = {live.id: live for live in releases.values() if live}
    if len(found) > 1:
        names = ", ".join(f"{label}: {live.id}" for label, live in releases.items() if live)
        raise ReleaseError(f"found different releases, {names}, expected one; `fab deploy` brings them together")
    return next(iter(found.values()))


class SameCode:
    """A task whose work is a new release of the code that is live, on all hosts or on none.

    :param skip_unreachable: go on without hosts that are away.
    :param json: print one JSON document instead of lines.
    :param yes: do not ask before values of one host replace those of others.
    """

    def __init__(
        self, c: Context, settings: Settings, limits: Limits, *, skip_unreachable: bool, json: bool, yes: bool
    ) -> None:
        self._c, self._settings, self._limits, self._yes = c, settings, limits, yes
        self._skip_unreachable, self._console = skip_unreachable, Console(quiet=json)

    def run(self, what: str, work: Callable[[Live], str | None]) -> list[Report]:
        """Do it.

        :param what: the task, for people.
        :param work: puts out the release and returns its id; None when there is nothing to change.
        :raises FleetError: it failed on a host, and all have what they had.
        """
        settings, console = self._settings, self._console
        hosts = with_app(targets(self._c, settings, self._limits))
        ask = _questions(settings.app)
        with (
            told(console, what, release=None) as outcome,
            underway(
                self._c, settings, hosts, console, outcome, skip_unreachable=self._skip_unreachable, ask=ask
            ) as run,
        ):
            live = Live.on(run)
            require_agreed(console, environment.variables.replaced(list(live.kept.values())), self._yes)
            release = work(live)
            outcome.more["release"] = release
        if release is None:
            console.say(f"{settings.app}: nothing to change")
        else:
            console.say(f"{settings.app}: release {release} is live", style="bold green")
        for report in run.left_out:
            console.say(f"{report.host} was not reached and lags behind; the next deploy catches it up", style="yellow")
        return outcome.reports
