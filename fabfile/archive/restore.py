"""Restore of an archive: load beside the live data, pause and swap, then release."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..connection import requests
from ..connection.requests import whoami
from ..contract.secret import Secret
from ..deployment.deployment import Answers, Deployment, Rollout
from ..deployment.releases import new_record
from ..deployment.source import Source
from ..environment import variables
from ..environment.variables import Kept, Wanted
from ..errors import FleetError, ReleaseError
from ..fleet import Member
from ..fleet.member import Converged
from ..hostkit.app.layout import Layout, Record
from ..hostkit.app.variables import Variable, Variables
from ..inventory.parts import FILES, Part, fresh_files, main_host
from ..recipes.release import live, reconfigured, singletons
from ..resources import Command, Resource
from ..resources.release.restored import Exchanged, Paused
from .locations import locate
from .reader import VerifiedArchive

if TYPE_CHECKING:
    from ..fleet import Fleet
    from ..services import Argv, Restore

LocatedPart = tuple[Part, Member]


@dataclass
class RestoreRun:
    """A restore of an archive, as a deployment of a release with the archive's values.

    :param deployment: of the hosts that run the app.
    :param others: hosts of services only.
    :param wanted: the parts to restore.
    """

    deployment: Deployment
    others: Fleet
    archive: VerifiedArchive
    wanted: Sequence[Part]
    located: Sequence[LocatedPart] = ()
    # What the hosts kept, once their data has been replaced.
    replaced: Mapping[Member, Kept] = field(default_factory=dict)

    def execute(self) -> Record:
        """Restore the archive.

        :returns: the release with the values of the archive.
        :raises FleetError: it failed; the message names what has changed.
        """
        records: list[Record] = []

        def choose(answers: Answers) -> Rollout:
            self._lock_others()
            self.replaced = self._replace_data()
            rollout, record = self._rollout(self.replaced)
            records.append(record)
            return rollout

        try:
            self.deployment.run(choose)
        except FleetError:
            self._start(self.replaced)
            raise
        finally:
            if self.replaced:
                self._clear_away()
        return records[0]

    def _lock_others(self) -> None:
        settings, members = self.deployment.settings, self.deployment.fleet.members
        self.others.connect()
        self.others.lock("restore", settings.lock_timeout)
        self.others.require("a host of a service is unreachable or held by another run; nothing has changed")
        chosen = main_host([member.target for member in members])
        main = next(member for member in members if member.target is chosen)
        self.located = locate(settings, self.wanted, [*members, *self.others.members], main)

    def _replace_data(self) -> dict[Member, Kept]:
        kept = self._kept()
        try:
            self._load()
            self._pause()
        except BaseException:
            self._abandon()
            raise
        self._swap()
        return kept

    def _kept(self) -> dict[Member, Kept]:
        app = self.deployment.settings.app
        found = self.deployment.fleet.each(lambda member: member.request(variables.kept(app)))
        self.deployment.fleet.require("nothing has changed")
        releases = {host.live.id if host.live else "none" for host in found.values()}
        if releases != releases - {"none"} or len(releases) != 1:
            raise ReleaseError(
                f"found {', '.join(sorted(releases))} live, expected one release on all hosts; `fab deploy` first"
            )
        return found

    def _load(self) -> None:
        """Load all parts beside the live data; the app keeps running."""
        for part, member in self.located:
            steps = _steps(part)
            self._converge(member, f"prepare {part.name}", _commands(part, steps.prepare))
            self._fleet_of(member).require("nothing has changed")
            member.phase(f"load {part.name}")

            def load(member: Member, part: Part = part, steps: Restore = steps) -> None:
                member.session.load(steps.load, self.archive.pieces(part.name))

            self._fleet_of(member).each(load, [member])
            self._fleet_of(member).require(f"{part.name} could not be loaded; nothing has changed")

    def _abandon(self) -> None:
        """Remove what was loaded from all hosts that are still reachable."""
        for part, member in self.located:
            if member.is_reachable:
                self._converge(member, "abandon", _commands(part, _steps(part).abandon))

    def _pause(self) -> None:
        paused = [Paused(self.deployment.settings.app)]
        self.deployment.fleet.each(lambda member: member.converge("stop", paused, hold=True))
        self._require_or_revert("the app could not be stopped; nothing has changed")

    def _swap(self) -> None:
        """Swap in what was loaded; the files first, since their swap can be reverted."""
        app, done = self.deployment.settings.app, list[str]()
        for part, member in sorted(self.located, key=lambda place: place[0].name != FILES):
            if part.name == FILES:
                resources: list[Resource] = [Exchanged(Layout(app).shared, fresh_files(app))]
            else:
                resources = _commands(part, _steps(part).swap)
            self._converge(member, "swap", resources, hold=part.name == FILES)
            if not member.report.ok:
                self._fail_swap(done, part.name)
            done.append(part.name)
        self.deployment.fleet.each(lambda member: member.request(requests.confirm()))

    def _fail_swap(self, done: Sequence[str], failed: str) -> None:
        """Revert files and processes after a part failed to swap.

        :raises FleetError: always.
        """
        stays = [name for name in done if name != FILES]
        left = f"{', '.join(stays)} has already been replaced" if stays else "nothing has changed"
        self._revert()
        self._abandon()
        raise FleetError(f"{failed} could not be swapped in; {left}")

    def _rollout(self, kept: Mapping[Member, Kept]) -> tuple[Rollout, Record]:
        """Release the same code with the archive's values; its release command runs on the restored data."""
        fleet, app = self.deployment.fleet, self.deployment.settings.app
        listings = fleet.each(lambda member: member.ask("releases", app=app))
        fleet.require("the data is restored, but not the environment")
        before = next(iter(kept.values())).live
        assert before is not None
        taken = f"restore of {self.archive.manifest['created']}"
        ids = (record["id"] for listing in listings.values() for record in listing["records"])
        record = new_record(Source("", before.revision, taken), whoami(), time.time(), ids)
        from_archive = self.archive.environment()

        def prepare(member: Member) -> Sequence[Resource]:
            wanted = with_values_of(from_archive, kept[member], record.id)
            return reconfigured(member.settings, member.target.roles, record, before.id, wanted)

        return Rollout(record.id, dict.fromkeys(kept, before.id), prepare), record

    def _start(self, kept: Mapping[Member, Kept]) -> None:
        """Start the previous release after the new one failed, perhaps before its start."""

        def start(member: Member) -> Converged:
            before = kept[member].live
            assert before is not None
            settings = member.settings
            again = [live(settings, member.target.roles, before.id), singletons(settings, before.id)]
            return member.converge("start", again)

        self.deployment.fleet.each(start, [member for member in kept if member.is_reachable])

    def _clear_away(self) -> None:
        """Remove the files that were replaced."""
        for part, member in self.located:
            if part.name == FILES and member.is_reachable:
                self._converge(member, "clear away", _commands(part, _steps(part).abandon))

    def _converge(self, member: Member, phase: str, resources: Sequence[Resource], *, hold: bool = False) -> None:
        self._fleet_of(member).each(lambda member: member.converge(phase, resources, hold=hold), [member])

    def _fleet_of(self, member: Member) -> Fleet:
        return self.deployment.fleet if member in self.deployment.fleet.members else self.others

    def _require_or_revert(self, otherwise: str) -> None:
        if not self.deployment.fleet.ok:
            self._revert()
        self.deployment.fleet.require(otherwise)

    def _revert(self) -> None:
        there = [member for member in self.deployment.fleet.members if member.is_reachable]
        self.deployment.fleet.each(Member.revert, there)


def with_values_of(archived: Mapping[str, Any], kept: Kept, release: str) -> Wanted:
    """Merge the archive's values into the variables of a host's live release.

    Values from settings stay as of the last deploy; a service's password stays as its host has it.

    :param archived: the answer to the query `kept_variables` in the archive; empty when it has none.
    :param release: id of the release that gets them.
    """
    generated = {**kept.generated, **{name: Secret(value) for name, value in (archived.get("generated") or {}).items()}}
    given = {
        name: Variable(generated[name], each.origin)
        if each.origin == variables.GENERATED and name in generated
        else each
        for name, each in kept.variables.given.items()
    }
    before = archived.get("variables")
    chosen = Variables.from_json(before).chosen if before else kept.variables.chosen
    return Wanted(Variables(given, chosen, release), generated)


def _steps(part: Part) -> Restore:
    assert part.restore is not None
    return part.restore


def _commands(part: Part, steps: Sequence[Argv]) -> list[Resource]:
    return [Command(argv, label=f"{part.name}: {argv[0]}") for argv in steps]
