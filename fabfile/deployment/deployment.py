"""The transaction of a deploy: all hosts switch to a release, or none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import recipes
from ..connection import requests
from ..console import Console
from ..contract import wire
from ..errors import FleetError, HostsmithError
from ..fleet import Fleet, Member
from ..fleet.summary import summarized
from ..inventory.targets import Target, of_role, primary
from ..rendering import template
from ..report import Report
from . import migrations

if TYPE_CHECKING:
    from invoke.context import Context

    from ..connection.requests import Request
    from ..contract.base import Resource
    from ..settings import Settings

# What each host has answered when it was locked, in the order of the questions.
Answers = Mapping[Member, list[Any]]


@dataclass(frozen=True)
class Rollout:
    """A release for all hosts of a fleet.

    :param release: its id.
    :param previous: id of the release that is live on each host; None where there is none.
    :param prepare: resources of a host that has the release, ready to be started; None when all hosts have it already,
        as in a rollback. Only what is prepared has a release command, and prunes older releases.
    :param retire: why newer releases that are left are marked bad; None when they are not.
    """

    release: str
    previous: Mapping[Member, str | None]
    prepare: Callable[[Member], Sequence[Resource]] | None = None
    retire: str | None = None


class Deployment:
    """A run that holds the locks of its hosts, in a `with` block; its summary is printed at the end.

    Each host keeps its previous release running, and goes back to it by itself, until all hosts have switched, are
    healthy, and have confirmed the new one. A host that loses its controller goes back, too.

    :param hosts: those that take part.
    :param what: the run, for people to read: "deploy".
    :param skip_unreachable: go on without unreachable hosts, as long as one is there.
    """

    def __init__(
        self,
        c: Context,
        settings: Settings,
        hosts: Sequence[Target],
        console: Console,
        what: str,
        *,
        skip_unreachable: bool = False,
    ) -> None:
        self.c, self.settings, self.console, self.what = c, settings, console, what
        self.fleet = Fleet(hosts, console, settings.concurrency, f"{what} {settings.app}")
        self.reports = self.fleet.reports
        self.left_out: list[Report] = []
        self.answers: Answers = {}
        self._skip_unreachable = skip_unreachable
        self._balancers: Fleet | None = None
        # What each host has said of its health, and of singletons: those of the previous release, those to start.
        self._health: dict[Member, dict[str, Any]] = {}
        self._kept: list[Member] = []
        self._block = contextlib.ExitStack()

    def __enter__(self) -> Deployment:
        # One list with the summary: a restore adds the hosts of services to it.
        summary = self._block.enter_context(summarized(self.console, self.what))
        summary += self.reports
        self.reports = summary
        self._block.enter_context(self.fleet)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.__exit__(kind, error, trace)

    @property
    def first(self) -> Member:
        """The host that runs what runs once for all hosts."""
        chosen = primary([member.target for member in self.fleet.members])
        return next(member for member in self.fleet.members if member.target is chosen)

    def run(self, choose: Callable[[Answers], Rollout | None], ask: Sequence[Request[Any]] = ()) -> Rollout | None:
        """Take all hosts to a release, or none.

        :param choose: the release, from what the hosts answered; None when there is nothing to do.
        :param ask: questions for each host, once it is locked.
        :returns: what was chosen, now live on all hosts.
        :raises FleetError: it failed. All hosts have what they had, unless the message says that the release is live.
        """
        self.reach()
        self.lock(ask)
        rollout = choose(self.answers)
        if rollout is None:
            return None
        self._prepare(rollout)
        self._run_release_command(rollout)
        with self._all_or_none(rollout):
            self._activate_in_batches(rollout)
            self._verify(rollout)
        self._keep()
        self._hand_over_singletons(rollout)
        self._settle_and_prune(rollout)
        return rollout

    def reach(self) -> None:
        """Connect to all hosts.

        :raises FleetError: one is unreachable. Nothing has changed anywhere.
        """
        for member in self.fleet.members:
            member.report.verdict = "kept"
        template.preload()
        self.fleet.connect()
        if self._skip_unreachable:
            self.left_out = self.fleet.leave_out_unreachable()
        self.fleet.require(f"{self.what} has not begun")

    def lock(self, ask: Sequence[Request[Any]] = ()) -> None:
        """Take the locks of all hosts, and ask each what `answers` then has of it.

        :raises FleetError: another run holds one, or a balancer is unreachable. Nothing has changed anywhere.
        """
        self.answers = self.fleet.lock(self.what, self.settings.lock_timeout, ask)
        self.fleet.require(f"{self.what} has not begun")
        self._connect_balancers()

    def _connect_balancers(self) -> None:
        """Connect to the balancers, if they take hosts out of rotation while these switch."""
        if not self.settings.balancer.drain or not self.settings.is_balanced:
            return
        hosts = of_role(self.c, self.settings, "lb")
        self._balancers = Fleet(hosts, Console(quiet=True), self.settings.concurrency, "drain")
        self._block.enter_context(self._balancers)
        self._balancers.connect()
        self._balancers.require("a balancer is unreachable, and `balancer.drain` needs it; nothing has changed")

    def _prepare(self, rollout: Rollout) -> None:
        if prepare := rollout.prepare:
            self.fleet.each(lambda member: member.converge("prepare", prepare(member)))
            self.fleet.require("it could not be prepared on all hosts, and no host has switched")

    def _run_release_command(self, rollout: Rollout) -> None:
        command = recipes.release.release_command(self.settings, rollout.release) if rollout.prepare else []
        if command:
            self.fleet.each(lambda member: member.converge("release", command), [self.first])
            self.fleet.require("the release command failed, and no host has switched")

    @contextmanager
    def _all_or_none(self, rollout: Rollout) -> Iterator[None]:
        """Take hosts that have switched back to their previous release if the block fails."""
        try:
            yield
        except FleetError:
            self.fleet.each(Member.revert, [member for member in self.fleet.members if member.is_reachable])
            if rollout.prepare:
                self._show_applied_migrations(rollout.release)
            raise

    def _show_applied_migrations(self, release: str) -> None:
        """Name the migrations of a release that was reverted: the code went back, the database did not."""
        with contextlib.suppress(HostsmithError):
            found = migrations.history([self.first.ask("releases", app=self.settings.app)]).get(release)
            if found and found.applied:
                names = ", ".join(found.applied)
                self.console.say(f"these migrations of it stay applied: {names}", style="bold yellow")

    def _activate_in_batches(self, rollout: Rollout) -> None:
        for batch in self._batches():
            # A host that switches last, by itself, waits for no other: it is verified in the same round trip.
            verify = batch == self.fleet.members[-1:]
            with self._out_of_rotation(batch):
                self.fleet.each(partial(self._activate, rollout, verify), batch)
            self.fleet.require("it did not go live")

    def _batches(self) -> Iterator[list[Member]]:
        members = self.fleet.members
        size = self.settings.batch_of(len(members))
        if self._balancers:
            # At least half of the hosts serve.
            size = min(size, max(1, len(members) // 2))
        return (members[start : start + size] for start in range(0, len(members), size))

    @contextmanager
    def _out_of_rotation(self, batch: Sequence[Member]) -> Iterator[None]:
        """Take hosts out of the rotation of the balancers while these switch."""
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
            self._balancers.each(Member.revert)

    def _activate(self, rollout: Rollout, verify: bool, member: Member) -> None:
        live = recipes.release.live(member.settings, member.target.roles, rollout.release)
        after = [_verification(rollout, member)] if verify else []
        done, answers = member.converge("activate", [live], hold=True, after=after)
        if done and member.report.results[-1:] and member.report.results[-1].state == "changed":
            member.report.verdict = "switched"
        if answers:
            self._health[member] = answers[0]

    def _verify(self, rollout: Rollout) -> None:
        """Require that all hosts are still healthy, now that all have switched."""
        rest = [member for member in self.fleet.members if member not in self._health]
        self._health |= self.fleet.each(lambda member: member.request(_verification(rollout, member)), rest)
        for member, health in self._health.items():
            if health["problem"]:
                member.report.error = f"after the switch: {health['problem']}"
        self.fleet.require("it did not stay healthy")

    @property
    def _keeps_ahead(self) -> bool:
        """Whether the release is confirmed on all hosts before any settles, which may take long."""
        singletons = any(health["runs"] or health["starts"] for health in self._health.values())
        return singletons or self.fleet.exceeds_concurrency

    def _keep(self) -> None:
        """Confirm the release on all hosts, or leave that to the message that settles it."""
        if self._keeps_ahead:
            self.fleet.each(lambda member: member.request(requests.confirm()))
        self._kept = self.fleet.healthy

    def _hand_over_singletons(self, rollout: Rollout) -> None:
        """Stop the singletons of the previous release, and then start those of this one.

        That comes before workers get their time to finish, which may be long.
        """
        # Also of hosts that were lost meanwhile: theirs may run on.
        stopping = [member for member, health in self._health.items() if health["runs"]]
        starting = [member for member, health in self._health.items() if health["starts"] and member.report.ok]
        stop = partial(recipes.release.singletons_ended, release_id=rollout.release)
        there = [member for member in stopping if member.report.ok]
        self.fleet.each(lambda member: member.converge("singletons", [stop(member.settings)]), there)
        if left := [member.label for member in stopping if not member.report.ok]:
            for member in starting:
                names = ", ".join(left)
                member.report.error = f"its singletons are not started, since those of {names} may still run"
            return
        start = partial(recipes.release.singletons, release_id=rollout.release)
        self.fleet.each(lambda member: member.converge("singletons", [start(member.settings)]), starting)

    def _settle_and_prune(self, rollout: Rollout) -> None:
        """Stop what runs of the previous release, and remove the oldest releases."""
        before = [] if self._keeps_ahead else [requests.confirm()]

        def settle(member: Member) -> None:
            member.converge("settle", _settled(rollout, member), before=before)

        self.fleet.each(settle, self._kept)
        self.fleet.require("it is live, but not all was done")


def _verification(rollout: Rollout, member: Member) -> Request[dict[str, Any]]:
    """Ask a host that has switched whether it is healthy."""
    live = recipes.release.live(member.settings, member.target.roles, rollout.release)
    health = wire.dump(live.health)
    return requests.ask("verify", app=live.app, release=rollout.release, health=health, port=live.port)


def _settled(rollout: Rollout, member: Member) -> list[Resource]:
    old = rollout.previous[member]
    # A release that is left for a newer one is not bad.
    retire = rollout.retire if old and rollout.release < old else None
    settled = recipes.release.settled(member.settings, rollout.release, old, retire)
    return [settled, *([recipes.release.pruned(member.settings)] if rollout.prepare else [])]
