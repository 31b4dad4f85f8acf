"""Migrations that a database has had, and that an earlier release does not know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..hostkit.app.migrations import Migrations

# By the id of the release.
History = Mapping[str, Migrations]


def history(answers: Iterable[Mapping[str, Any]]) -> History:
    """Bring together the records of all hosts; the command of each release ran on one of them.

    :param answers: of the query `releases`, one of each host.
    """
    found = {release: data for answer in answers for release, data in answer["migrations"].items()}
    return {release: Migrations(tuple(data["before"]), tuple(data["after"])) for release, data in found.items()}


def unknown_to(release: str, history: History) -> list[str]:
    """The migrations that the database has had and a release has not: it was made before they were.

    :param release: id of the release to go back to.
    """
    if not history:
        return []
    now = history[max(history)].after
    known = _known_to(release, history)
    return [] if known is None else [name for name in now if name not in known]


def _known_to(release: str, history: History) -> tuple[str, ...] | None:
    """The migrations that a database had had when a release went live; None when that is unknown."""
    before = [name for name in history if name <= release]
    if before:
        return history[max(before)].after
    later = [name for name in history if name > release]
    return history[min(later)].before if later else None
