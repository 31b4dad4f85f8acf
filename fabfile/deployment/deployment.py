"""A deploy or a rollback that has reached and locked its hosts: what they do before they switch, and the switch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import environment, recipes
from ..console import Console
from ..errors import FleetError, HostsmithError, ReleaseError
from ..fleet.fleet import Fleet, Member
from ..fleet.summary import Outcome
from ..inventory import parts
from ..inventory.targets import Target, of_role, others_with_app, primary
from ..rendering import template
from ..report import Report
from . import migrations, service_variables
from .rollout import Rollout

if TYPE_CHECKING:
    from invoke.context import Context

    from ..connection.requests import Request
    from ..contract.base import Resource
    from ..environment.variables import Given, Kept, Wanted
    from ..settings import Settings


@dataclass(frozen=True)
class Underway:
    """A deploy or rollback whose hosts are reached and locked.

    :param left_out: the reports of hosts that are away, and that it goes on without.
    :param console: of the run.
    :param balancers: those that take a host out of their rotation while it switches; None when none does.
    :param answers: what each host has answered when it was locked.
    """

    fleet: Fleet
    settings: Settings
    left_out: list[Report]
    console: Console
    balancers: Fleet | None
    answers: Mapping[Member, list[Any]]

    @property
    def first(self) -> Member:
        """The host that does for all what is done once."""
        chosen = primary([member.target for member in self.fleet.members])
        return next(member for member in self.fleet.members if member.target is chosen)

    def put_out(
        self, release: str, prepare: Callable[[Member], Sequence[Resource]], live: Mapping[Member, str | None]
    ) -> None:
        """Have all hosts go over to a new release, or none.

        :param release: its id.
        :param prepare: what a host converges to have it.
        :param live: id of the release that is live on each host.
        :raises FleetError: it failed on a host, and all have what they had.
        """
        fleet, settings = self.fleet, self.settings
        fleet.each(lambda member: member.converge("prepare", prepare(member)))
        fleet.require("it could not be prepared everywhere, and no host has switched")
        if command := recipes.release.release_command(settings, release):
            fleet.each(lambda member: member.converge("release", command), [self.first])
            fleet.require("the release command failed, and no host has switched")
        try:
            self.switch(
                release,
                lambda member: [
                    recipes.release.settled(member.settings, release, live[member]),
                    recipes.release.pruned(member.settings),
                ],
            )
        except FleetError:
            if not all(member.report.verdict == "switched" for member in fleet.members):
                self._tell_what_stays(release)
            raise

    def _tell_what_stays(self, release: str) -> None:
        """Code went back; what the release has migrated did not."""
        with contextlib.suppress(HostsmithError):
            found = migrations.history([self.first.session.ask("releases", app=self.settings.app)]).get(release)
            if found and found.applied:
                names = ", ".join(found.applied)
                self.console.say(f"these migrations of it stay applied: {names}", style="bold yellow")

    def switch(self, release: str, settle: Callable[[Member], Sequence[Resource]]) -> None:
        """Have all hosts go over to a release that they have, or none; parameters and errors as of `Rollout.run`."""
        batch = self.settings.batch_of(len(self.fleet.members))
        Rollout(self.fleet, release, batch, self.balancers).run(settle)


@contextmanager
def underway(
    c: Context,
    settings: Settings,
    hosts: Sequence[Target],
    console: Console,
    outcome: Outcome,
    *,
    skip_unreachable: bool,
    ask: Sequence[Request[Any]] = (),
) -> Iterator[Underway]:
    """Reach and lock the hosts.

    :param outcome: gets their reports.
    :param skip_unreachable: go on without hosts that are away, as long as one is there.
    :param ask: what each host is asked as soon as it is locked.
    :raises FleetError: a host is away, or held by another run. Nothing has changed anywhere.
    """
    with Fleet(hosts, console, settings.concurrency, f"{outcome.what} {settings.app}") as fleet:
        outcome.reports += fleet.reports
        left_out = _reach(fleet, outcome.what, skip_unreachable)
        answers = fleet.lock(outcome.what, settings.lock_timeout, ask)
        fleet.require(f"{outcome.what} has not begun")
        with _draining(c, settings) as balancers:
            yield Underway(fleet, settings, left_out, console, balancers, answers)


def require_agreed(console: Console, replaced: Sequence[str], yes: bool) -> None:
    """Show which values of hosts are about to be replaced by another host's, and go on only if that is wanted.

    A host that was taken over could have others run what it likes by a variable.

    :param replaced: what is replaced on each host, by name.
    :param yes: do not ask.
    :raises UsageError: there is nobody to ask.
    :raises ReleaseError: it is not wanted.
    """
    if yes:
        for line in replaced:
            console.say(line, style="yellow")
    elif replaced and not console.agrees("\n".join([*replaced, "Give them these values?"])):
        raise ReleaseError("cancelled; nothing has changed")


def release_variables(c: Context, run: Underway, given: Given, kept: list[Kept], yes: bool) -> Wanted:
    """The variables of a new release: the same on all hosts, and those that the fleet has already.

    :param kept: what its hosts keep.
    :param yes: do not ask whether values of one host may replace those of others.
    :raises FleetError: a host that must be asked is away.
    :raises ServiceError: a service of the app is not set up.
    """
    given = given.over(service_variables.of_services(c, run.settings, run.fleet))
    if environment.variables.lacking(given, kept):
        kept = [*kept, *_kept_by_others(c, run)]
    wanted = environment.variables.wanted(given, kept)
    require_agreed(run.console, wanted.remarks, yes)
    return wanted


def back_up(c: Context, run: Underway) -> None:
    """Have the hosts back up what a release command may change, if the settings ask for that.

    :raises FleetError: one could not.
    """
    settings = run.settings
    if not settings.backup.before_migrate or "release" not in settings.processes:
        return
    wanted = [recipes.backup.backed_up(settings)]
    run.fleet.each(lambda member: member.converge("backup", wanted))
    run.fleet.require("the backup failed, and nothing has changed")
    others = parts.beside(c, settings, [member.target for member in run.fleet.members], parts.parts(settings))
    with Fleet(others, Console(quiet=True), settings.concurrency, None) as fleet:
        fleet.connect()
        fleet.lock("backup", settings.lock_timeout)
        fleet.each(lambda member: member.converge("backup", wanted))
        for member in fleet.members:
            for note in member.report.notes:
                run.console.say(f"{member.label}: {note}")
            if not member.report.ok:
                run.first.report.error = f"{member.label}: {member.report.problem()}"
    run.fleet.require("the backup failed, and nothing has changed")


def _kept_by_others(c: Context, run: Underway) -> list[Kept]:
    """What the hosts of the app keep that do not take part."""
    settings = run.settings
    others = others_with_app(c, settings, [member.target.host for member in run.fleet.members])
    if not others:
        return []
    with Fleet(others, Console(quiet=True), settings.concurrency, "config") as fleet:
        found = fleet.each(lambda member: environment.variables.ask(member.session, settings.app))
        if not run.left_out:
            fleet.require(
                "its values of `config.set` and generated ones are needed, and it is away; nothing has changed"
            )
    return list(found.values())


def _reach(fleet: Fleet, what: str, skip_unreachable: bool) -> list[Report]:
    """Connect to the hosts; returns the reports of those that are away and left out."""
    for member in fleet.members:
        member.report.verdict = "kept"
    template.preload()
    away = [member for member in fleet.connect() if member.report.verdict == "unreachable"]
    if skip_unreachable and len(away) < len(fleet.members):
        fleet.leave_out(away)
    fleet.require(f"{what} has not begun")
    return [member.report for member in away]


@contextmanager
def _draining(c: Context, settings: Settings) -> Iterator[Fleet | None]:
    """The balancers, when the settings say that they take a host out of their rotation; None when they do not."""
    if not settings.balancer.drain or not settings.is_balanced:
        yield None
        return
    with Fleet(of_role(c, settings, "lb"), Console(quiet=True), settings.concurrency, "drain") as fleet:
        fleet.connect()
        fleet.require("a balancer is away, and `balancer.drain` wants it to drain the hosts; nothing has changed")
        yield fleet
