"""How prepared hosts go over to a release: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import recipes
from ..connection import requests
from ..contract import wire
from ..errors import FleetError
from ..fleet.fleet import Fleet, Member

if TYPE_CHECKING:
    from ..connection.requests import Request
    from ..contract.base import Resource


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
