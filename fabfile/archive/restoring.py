"""The way of an archive back: loaded beside what the app uses, swapped while the app rests, then made a release."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..connection.requests import whoami
from ..contract.secret import Secret
from ..deployment.deployment import Underway
from ..deployment.releases import new_record
from ..deployment.source import Source
from ..environment import variables
from ..environment.variables import Kept, Wanted
from ..errors import FleetError, ReleaseError
from ..fleet.fleet import Member
from ..hostkit.app.layout import Layout, Record
from ..hostkit.app.variables import Variable, Variables
from ..inventory.parts import FILES, Part, fresh_files
from ..recipes.release import live, reconfigured, singletons
from ..resources import Command, Resource
from ..resources.release.restored import Exchanged, Paused
from .reading import Readable

if TYPE_CHECKING:
    from ..fleet.fleet import Fleet
    from ..services import Argv, Restore

Place = tuple[Part, Member]


@dataclass(frozen=True)
class Restoring:
    """A restore whose hosts are reached and locked.

    :param run: the hosts that run the app.
    :param others: those of services that do not.
    :param places: the parts that are put back, and where.
    """

    run: Underway
    others: Fleet
    archive: Readable
    places: Sequence[Place]

    def do(self) -> Record:
        """From an archive to an app that is live with what is in it.

        :returns: the release with the values of the archive.
        :raises FleetError: it failed; the message says what has changed.
        """
        kept = self._kept()
        try:
            self._load()
            self._pause()
        except BaseException:
            self._abandon()
            raise
        self._swap()
        try:
            return self._release(kept)
        except FleetError:
            self._start(kept)
            raise
        finally:
            self._clear_away()

    def _kept(self) -> dict[Member, Kept]:
        app = self.run.settings.app
        found = self.run.fleet.each(lambda member: variables.ask(member.session, app))
        self.run.fleet.require("nothing has changed")
        releases = {host.live.id if host.live else "none" for host in found.values()}
        if releases != releases - {"none"} or len(releases) != 1:
            raise ReleaseError(
                f"found {', '.join(sorted(releases))} live, expected one release on all hosts; `fab deploy` first"
            )
        return found

    def _load(self) -> None:
        """Load all parts beside what the app uses, which notices nothing."""
        for part, member in self.places:
            steps = _steps(part)
            self._converge(member, f"prepare {part.name}", _commands(part, steps.prepare))
            self._fleet_of(member).require("nothing has changed")
            member.phase(f"load {part.name}")

            def load(member: Member, part: Part = part, steps: Restore = steps) -> None:
                member.session.load(steps.load, self.archive.pieces(part.name))

            self._fleet_of(member).each(load, [member])
            self._fleet_of(member).require(f"{part.name} could not be loaded, and nothing has changed")

    def _abandon(self) -> None:
        """Take away what was loaded, wherever the host is there still."""
        for part, member in self.places:
            if member.report.verdict != "unreachable":
                self._converge(member, "abandon", _commands(part, _steps(part).abandon))

    def _pause(self) -> None:
        paused = [Paused(self.run.settings.app)]
        self.run.fleet.each(lambda member: member.converge("stop", paused, hold=True))
        self._require_or_put_back("the app could not be stopped, and nothing has changed")

    def _swap(self) -> None:
        """What was loaded takes its place, the files first: they can be taken back."""
        app, done = self.run.settings.app, list[str]()
        for part, member in sorted(self.places, key=lambda place: place[0].name != FILES):
            if part.name == FILES:
                resources: list[Resource] = [Exchanged(Layout(app).shared, fresh_files(app))]
            else:
                resources = _commands(part, _steps(part).swap)
            self._converge(member, "swap", resources, hold=part.name == FILES)
            if not member.report.ok:
                self._go_back(done, part.name)
            done.append(part.name)
        self.run.fleet.each(lambda member: member.session.confirm())

    def _go_back(self, done: Sequence[str], failed: str) -> None:
        """A part could not take its place: the files and the processes go back.

        :raises FleetError: always.
        """
        stays = [name for name in done if name != FILES]
        left = f"{', '.join(stays)} has been replaced already" if stays else "nothing has changed"
        self._put_back()
        self._abandon()
        raise FleetError(f"{failed} could not take its place, and {left}")

    def _release(self, kept: Mapping[Member, Kept]) -> Record:
        """A release of the same code with the values of the archive; its release command comes after the data."""
        run, app = self.run, self.run.settings.app
        listings = run.fleet.each(lambda member: member.session.ask("releases", app=app))
        run.fleet.require("the data is put back, but not the environment")
        before = next(iter(kept.values())).live
        assert before is not None
        taken = f"restore of {self.archive.manifest['created']}"
        ids = (record["id"] for listing in listings.values() for record in listing["records"])
        record = new_record(Source("", before.revision, taken), whoami(), time.time(), ids)
        from_archive = self.archive.environment()

        def prepare(member: Member) -> Sequence[Resource]:
            wanted = with_values_of(from_archive, kept[member], record.id)
            return reconfigured(member.settings, member.target.roles, record, before.id, wanted)

        run.put_out(record.id, prepare, dict.fromkeys(kept, before.id))
        return record

    def _start(self, kept: Mapping[Member, Kept]) -> None:
        """Start the release that was live; for when the new one has failed, which may have been before its start."""

        def start(member: Member) -> bool:
            before = kept[member].live
            assert before is not None
            settings = member.settings
            again = [live(settings, member.target.roles, before.id), singletons(settings, before.id)]
            return member.converge("start", again)

        self.run.fleet.each(start, [member for member in kept if member.report.verdict != "unreachable"])

    def _clear_away(self) -> None:
        """Remove the files that were replaced."""
        for part, member in self.places:
            if part.name == FILES and member.report.verdict != "unreachable":
                self._converge(member, "clear away", _commands(part, _steps(part).abandon))

    def _converge(self, member: Member, phase: str, resources: Sequence[Resource], *, hold: bool = False) -> None:
        self._fleet_of(member).each(lambda member: member.converge(phase, resources, hold=hold), [member])

    def _fleet_of(self, member: Member) -> Fleet:
        return self.run.fleet if member in self.run.fleet.members else self.others

    def _require_or_put_back(self, otherwise: str) -> None:
        if not self.run.fleet.ok:
            self._put_back()
        self.run.fleet.require(otherwise)

    def _put_back(self) -> None:
        there = [member for member in self.run.fleet.members if member.report.verdict != "unreachable"]
        self.run.fleet.each(Member.put_back, there)


def with_values_of(archived: Mapping[str, Any], kept: Kept, release: str) -> Wanted:
    """The variables of a host's live release, with the values that the archive has for those that the hosts keep.

    What the settings give stays as the last deploy gave it, and a service's password as its host has it.

    :param archived: what the query `kept_variables` answered when the archive was made; empty when it has none.
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
