"""Pending commits: those between the live revision and the one to deploy."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..contract import wire
from ..deployment.releases import short
from ..deployment.source import LocalSource
from ..hostkit.programs.history import Commit, Difference
from .listing import Line

if TYPE_CHECKING:
    from ..fleet import Fleet, Member
    from ..settings import Settings

# Number of commits shown of either kind.
_SHOWN = 20


@dataclass(frozen=True)
class Pending:
    """Commits that a deploy would add or remove.

    :param release: id of the live release; None when there is none.
    :param live: the live revision, with "+dirty" for uncommitted changes; None when there is none.
    :param wanted: the revision to deploy, in the same form; empty when it is unknown.
    :param new: commits that would go live, the newest first.
    :param gone: commits that would not be live any more.
    :param requirements: requirement files that are different.
    :param unknown: why the commits are unknown; empty when they are known.
    """

    release: str | None = field(compare=False)
    live: str | None
    wanted: str = ""
    new: tuple[Commit, ...] = ()
    gone: tuple[Commit, ...] = ()
    requirements: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def is_something(self) -> bool:
        """Whether a deploy would, or may, change the code."""
        return self.live is None or _is_dirty(self.live) or bool(self.new or self.gone or self.unknown)

    @property
    def title(self) -> str:
        """The live revision, in a few words."""
        return "nothing is live" if self.live is None else f"live {short(self.live) or self.release}"

    def lines(self) -> Iterator[Line]:
        """Describe the commits, with the style of each line."""
        if self.live is None:
            yield "everything would be new", None
            return
        if self.unknown:
            yield self.unknown, "yellow"
        if _is_dirty(self.live):
            yield "the live release has uncommitted changes; a deploy removes them", "yellow"
        yield from _listed(self.new, "+", "green")
        if self.gone:
            yield "goes back: the live release has commits that would not be deployed", "yellow"
            yield from _listed(self.gone, "-", "red")
        if not self.is_something:
            yield "nothing is pending", None

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {"pending": self.is_something, **asdict(self)}


def pending_on(fleet: Fleet, settings: Settings, revision: str | None) -> dict[Member, Pending]:
    """Find the pending commits of each host that runs the app; failures go to the host's report.

    :param revision: the revision to deploy; None for `revision` of the settings.
    :raises SourceError: there is no such revision.
    """
    wanted = revision or settings.revision
    if settings.source_is_local:
        # Uncommitted changes do not stop a comparison; a deploy reports what to do about them.
        with LocalSource(settings.source_folder, wanted, dirty=wanted == "HEAD") as local:
            return _from_here(_live(fleet), local, settings)
    return _from_afar(fleet, _live(fleet), settings, wanted)


def note_of(found: Iterable[Pending]) -> str:
    """Build a note about the source; empty when there is none."""
    if any(_is_dirty(pending.wanted) for pending in found):
        return "the source has uncommitted changes; only a deploy with --dirty includes them"
    return ""


def _live(fleet: Fleet) -> dict[Member, dict[str, Any] | None]:
    """Ask each host that runs the app for the record of its live release."""
    with_app = [member for member in fleet.healthy if member.target.processes]
    return fleet.each(lambda member: member.ask("live_release", app=member.settings.app), with_app)


def _from_here(
    live: Mapping[Member, dict[str, Any] | None], local: LocalSource, settings: Settings
) -> dict[Member, Pending]:
    @functools.cache
    def difference(revision: str) -> Difference | None:
        return local.since(revision, settings.requirement_files)

    def pending(record: dict[str, Any] | None) -> Pending:
        wanted = local.source.revision
        if record is None:
            return Pending(None, None, wanted)
        if not local.is_in_git:
            differs = record["revision"] != wanted
            unknown = "the files differ from the live ones; they are not in git, so there are no commits to list"
            return Pending(record["id"], record["revision"], wanted, unknown=unknown if differs else "")
        unknown = "the live commit is not in this repository; `git fetch` gets the commits of others"
        return _pending(record, wanted, difference(record["revision"]), unknown)

    return {member: pending(record) for member, record in live.items()}


def _from_afar(
    fleet: Fleet, live: Mapping[Member, dict[str, Any] | None], settings: Settings, wanted: str
) -> dict[Member, Pending]:
    """Compare on a host that can read the repository; one answers for all."""
    records = {member: record for member, record in live.items() if record}
    none = {member: Pending(None, None) for member in live if member not in records}
    if not records:
        return none
    first = next(iter(records))
    since = sorted({_commit(record["revision"]) for record in records.values()})
    answers = fleet.each(
        lambda member: member.ask(
            "history",
            app=settings.app,
            url=wire.dump(settings.source_url),
            revision=wanted,
            since=since,
            files=settings.requirement_files,
        ),
        [first],
    )

    def pending(record: dict[str, Any]) -> Pending:
        if first not in answers:
            return Pending(record["id"], record["revision"], unknown=f"{first.label} could not list the commits")
        answer = answers[first]
        unknown = "the live commit is no longer in the repository"
        way = answer["since"].get(_commit(record["revision"]))
        return _pending(record, answer["commit"], Difference.of(way) if way else None, unknown)

    return {**none, **{member: pending(record) for member, record in records.items() if member.report.ok}}


def _pending(record: dict[str, Any], wanted: str, difference: Difference | None, unknown: str) -> Pending:
    if difference is None:
        return Pending(record["id"], record["revision"], wanted, unknown=unknown)
    return Pending(record["id"], record["revision"], wanted, difference.new, difference.gone, difference.files)


def _commit(revision: str) -> str:
    return revision.partition("+")[0]


def _is_dirty(revision: str) -> bool:
    return "+" in revision


def _listed(commits: Sequence[Commit], mark: str, style: str) -> Iterator[Line]:
    for commit in commits[:_SHOWN]:
        yield f"{mark} {commit}", style
    if len(commits) > _SHOWN:
        yield f"{mark} and {len(commits) - _SHOWN} more", style
