"""Releases seen from here: their ids, and which one to go back to. No input or output."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Sequence

from ..errors import ReleaseError
from ..hostkit.app.layout import Record
from ..printable import cut
from .source import Source

_STAMP = "%Y%m%d-%H%M%S"
# Seconds by which the clocks of two machines may differ.
_MOST_AHEAD = 366 * 86400


def new_record(source: Source, who: str, now: float, existing: Iterable[str]) -> Record:
    """The record of a new release.

    :param who: user@machine that deploys.
    :param now: seconds since the epoch; the id begins with it.
    :param existing: ids of the releases on all hosts. The new id sorts after them, also when two are made within a
        second, or by machines whose clocks differ.
    """
    # A host that was taken over could have all later ids begin with the last second that there is.
    latest = time.strftime(_STAMP, time.gmtime(now + _MOST_AHEAD))
    newest = max((name for name in existing if name <= latest), default="")[: len("YYYYMMDD-HHMMSS")]
    if newest:
        now = max(now, calendar.timegm(time.strptime(newest, _STAMP)) + 1)
    moment = time.gmtime(now)
    return Record(
        id=f"{time.strftime(_STAMP, moment)}-{source.short}",
        revision=source.revision,
        subject=source.subject,
        who=who,
        created=time.strftime("%Y-%m-%d %H:%M:%SZ", moment),
    )


def state(record: Record, live: str | None) -> str:
    """A release's state in a listing: "live", "proven", "failed" or "bad".

    One still "building" with nobody building it was cut off.
    """
    if record.id == live:
        return "live"
    return "failed" if record.state == "building" else record.state


def short(revision: str) -> str:
    """A revision as git abbreviates it; "+dirty" stays."""
    commit, plus, dirty = revision.partition("+")
    return commit[:7] + plus + dirty


def shared(listings: Sequence[Sequence[Record]]) -> list[Record]:
    """The releases that every host has, oldest first; each proven only if it is on all of them.

    :param listings: all releases of each host, oldest first.
    """
    known = [{record.id: record for record in listing} for listing in listings]
    common = [name for name in known[0] if all(name in records for records in known)] if known else []

    def weakest(name: str) -> Record:
        found = [records[name] for records in known]
        return next((record for record in found if record.state != "proven"), found[0])

    return [weakest(name) for name in common]


def to_go_back_to(records: Sequence[Record], live: str | None, wanted: str | None) -> Record:
    """The release that a rollback makes live: the newest proven one before the live one, or the one asked for.

    :param records: all releases, oldest first.
    :param wanted: id, beginning of an id, or beginning of a revision; None for the newest.
    :raises ReleaseError: there is none, or it was never healthy.
    """
    if live is None:
        raise ReleaseError("nothing is live yet, so there is nothing to go back from; `fab deploy` first")
    if wanted is not None:
        return _asked_for(records, live, wanted)
    before = [record for record in records if record.id < live and record.state == "proven"]
    if not before:
        raise ReleaseError(
            f"there is no proven release before {live} to go back to; `fab releases` lists them, "
            "and `fab rollback --to ID` goes to a given one"
        )
    return before[-1]


def _asked_for(records: Sequence[Record], live: str, wanted: str) -> Record:
    exact = [record for record in records if record.id == wanted]
    found = exact or [r for r in records if r.id.startswith(wanted) or (wanted and r.revision.startswith(wanted))]
    if not found:
        known = ", ".join(record.id for record in records)
        raise ReleaseError(f"there is no release {cut(wanted)!r}; there are {known}")
    if len(found) > 1:
        raise ReleaseError(f"{wanted!r} could be any of {', '.join(record.id for record in found)}; say more of it")
    record = found[0]
    if record.id == live:
        raise ReleaseError(f"{record.id} is live already")
    if state(record, live) == "failed":
        raise ReleaseError(
            f"{record.id} was never healthy ({record.reason or 'it was cut off'}); deploy it again instead"
        )
    return record
