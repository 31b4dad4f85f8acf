"""The settings of backups that a host makes by itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, Field

from ..hostkit.app.cron import EXPECTED as SCHEDULE
from ..hostkit.app.cron import Schedule
from . import values as kind
from .kinds import Text, UnexpectedError
from .model import Model

EXPECTED = "a mapping such as {schedule: '15 3 * * *', keep: 7}"
_FOLDER = "an absolute path such as /var/backups/hello"
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def calendar(text: str) -> str:
    """A schedule in the notation of cron as systemd's timers have it; see systemd.time(7).

    :raises UnexpectedError: it is none, or one that cannot be said there.
    """
    try:
        schedule = Schedule.parse(text)
    except ValueError as error:
        raise UnexpectedError(SCHEDULE, f"it has {error}") from None
    if schedule.either:
        raise UnexpectedError(
            SCHEDULE, "cron runs on such a day of the month and on such a weekday, too; name one of the two"
        )
    minutes, hours, days, months, weekdays = schedule.fields
    names = ",".join(_WEEKDAYS[day] for day in sorted(weekdays)) if len(weekdays) < len(_WEEKDAYS) else ""
    return f"{names} *-{_listed(months, 12)}-{_listed(days, 31)} {_listed(hours, 24)}:{_listed(minutes, 60)}:00".strip()


def _listed(values: Collection[int], many: int) -> str:
    return "*" if len(values) == many else ",".join(f"{value:02}" for value in sorted(values))


def _schedule(text: str) -> str:
    calendar(text)
    return text


def _folder(text: str) -> str:
    if ".." in text.split("/"):
        raise UnexpectedError(_FOLDER)
    return text.rstrip("/")


class Backup(Model):
    """Backups that a host makes by itself."""

    schedule: Annotated[Annotated[str, AfterValidator(_schedule)] | None, Text(SCHEDULE)] = Field(
        None, description="When, as for a cron entry, in the host's time. Default: only before a migration."
    )
    keep: kind.Positive = Field(7, description="Archives that are kept; the oldest goes when there are more.")
    to: Annotated[Annotated[str, AfterValidator(_folder)] | None, Text(_FOLDER, r"/[A-Za-z0-9._/-]+")] = Field(
        None, description="Folder on the host, which root alone can read. Default: `/var/backups/<app>`."
    )
    before_migrate: kind.Flag = Field(
        False, description="Whether a deploy whose `release` command runs takes a backup before it begins."
    )

    @property
    def calendar(self) -> str | None:
        """The schedule as systemd's timers have it; None when there is none."""
        return None if self.schedule is None else calendar(self.schedule)

    @property
    def is_on_host(self) -> bool:
        """Whether the hosts make any."""
        return self.schedule is not None or self.before_migrate
