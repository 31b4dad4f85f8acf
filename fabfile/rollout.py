"""A release goes live on all hosts of a fleet, or on none of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import archive, environment, migrations, recipes, templating
from .agent import wire
from .connection import requests
from .console import Console
from .errors import FleetError, HostsmithError
from .fleet import Fleet, Member
from .outcome import Outcome
from .report import Report
from .targets import Target, of_role, others_with_app, primary

if TYPE_CHECKING:
    from invoke.context import Context

    from .connection.requests import Request
    from .environment.variables import Given, Kept, Wanted
    from .resources.base import Resource
    from .settings import Settings


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


def release_variables(c: Context, run: Underway, given: Given, kept: list[Kept]) -> Wanted:
    """The variables of a new release: the same on all hosts, and those that the fleet has already.

    :param kept: what its hosts keep.
    :raises FleetError: a host that must be asked is away.
    :raises ServiceError: a service of the app is not set up.
    """
    given = given.over(environment.services.of_services(c, run.settings, run.fleet))
    if environment.variables.lacking(given, kept):
        kept = [*kept, *_kept_by_others(c, run)]
    wanted = environment.variables.wanted(given, kept)
    for remark in wanted.remarks:
        run.console.say(remark, style="yellow")
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
    others = archive.places.beside(
        c, settings, [member.target for member in run.fleet.members], archive.parts.parts(settings)
    )
    with Fleet(others, Console(quiet=True), settings.concurrency, None) as fleet:
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
    templating.preload()
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


class Rollout:
    """The steps by which prepared hosts go over to a release.

    Each host keeps its old release running, and goes back to it by itself, until all have switched and been verified
    and are told that it holds. A host that hears no more of us goes back, too.

    :param release: id of the release.
    :param batch: how many hosts switch at the same time.
    :param balancers: those that take a host out of their rotation while it switches; None when none does.
    """

    def __init__(self, fleet: Fleet, release: str, batch: int, balancers: Fleet | None = None) -> None:
        self._fleet, self._release, self._balancers = fleet, release, balancers
        self._batch = batch if balancers is None else min(batch, max(1, len(fleet.members) // 2))
        # Whether the hosts are well that have switched.
        self._seen: dict[Member, Any] = {}
        # The hosts with singletons of an earlier release, and those of which this one has some.
        self._running: list[Member] = []
        self._starting: list[Member] = []

    def run(self, settle: Callable[[Member], Sequence[Resource]]) -> None:
        """Switch all hosts, or none.

        :param settle: what a host converges when the release is there to stay.
        :raises FleetError: it failed on a host, and those that had switched have gone back.
        """
        fleet = self._fleet
        try:
            for start in range(0, len(fleet.members), self._batch):
                batch = fleet.members[start : start + self._batch]
                with self._out_of_rotation(batch):
                    fleet.each(self._activate, batch)
                fleet.require("it did not go live")
            # One host has been asked as soon as it had switched: there is no other that it could have waited for.
            if len(fleet.members) > 1:
                self._seen = fleet.each(lambda member: member.session.request(self._question(member)))
            for member, answer in self._seen.items():
                self._heed(member, answer)
            fleet.require("it did not stay well")
        except FleetError:
            self._put_back()
            raise
        # From here on the release is there to stay: told to all hosts at once, so that none waits for another's work.
        if len(fleet.members) == 1 and not self._running and not self._starting:
            fleet.each(lambda member: member.confirm_and_converge("settle", settle(member)))
        else:
            fleet.each(lambda member: member.session.confirm())
            well = fleet.well
            self._hand_over_singletons()
            fleet.each(lambda member: member.converge("settle", settle(member)), well)
        fleet.require("it is live, but not all was done")

    def _hand_over_singletons(self) -> None:
        """Have the old ones of those processes end of which there must never be two, and then the new ones start.

        That is before workers are given their time to finish, which may be long.
        """
        self._fleet.each(self._end_singletons, self._running)
        if left := [member.label for member in self._running if not member.report.ok]:
            for member in self._starting:
                names = ", ".join(left)
                member.report.error = f"its singletons are not started, since those of {names} may still run"
            return
        self._fleet.each(self._start_singletons, self._starting)

    def _end_singletons(self, member: Member) -> None:
        member.converge("singletons", [recipes.release.singletons_ended(member.settings, self._release)])

    def _start_singletons(self, member: Member) -> None:
        member.converge("singletons", [recipes.release.singletons(member.settings, self._release)])

    def _activate(self, member: Member) -> None:
        resource = recipes.release.live(member.settings, member.target.roles, self._release)
        ask = [self._question(member)] if len(self._fleet.members) == 1 else []
        done, *answers = member.converge_and_ask("activate", [resource], ask)
        if done and member.report.results[-1].state == "changed":
            member.report.verdict = "switched"
        for answer in answers:
            self._seen[member] = answer

    def _question(self, member: Member) -> Request[Any]:
        """Whether a host that has switched is well."""
        check = recipes.release.live(member.settings, member.target.roles, self._release)
        health = wire.dump(check.health)
        return requests.ask("verify", app=check.app, release=self._release, health=health, port=check.port)

    def _heed(self, member: Member, answer: dict[str, Any]) -> None:
        if answer["problem"]:
            member.report.error = f"after the switch: {answer['problem']}"
        if answer["runs"]:
            self._running.append(member)
        if answer["starts"]:
            self._starting.append(member)

    def _put_back(self) -> None:
        there = [member for member in self._fleet.members if member.report.verdict != "unreachable"]
        self._fleet.each(Member.put_back, there)

    @contextmanager
    def _out_of_rotation(self, batch: Sequence[Member]) -> Iterator[None]:
        """While these hosts switch, the balancers send them no new requests."""
        web = [member for member in batch if "web" in member.target.processes]
        if self._balancers is None or not web:
            yield
            return
        resources = [recipes.haproxy.drained(member.settings, member.target.host) for member in web]
        self._balancers.each(lambda balancer: balancer.converge("drain", resources, hold=True))
        self._balancers.require("the balancer does not drain the hosts")
        try:
            yield
        finally:
            self._balancers.each(Member.put_back)
