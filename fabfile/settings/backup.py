"""Settings of scheduled backups."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, Field

from ..hostkit.app.cron import EXPECTED as SCHEDULE
from ..hostkit.app.cron import Schedule
from . import values as kind
from .kinds import Model, Text, UnexpectedError

EXPECTED = "a mapping such as {schedule: '15 3 * * *', keep: 7}"
_FOLDER = "an absolute path such as /var/backups/hello"
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def calendar(text: str) -> str:
    """Convert a cron schedule to the calendar notation of systemd timers; see systemd.time(7).

    :raises UnexpectedError: it is not valid, or systemd cannot express it.
    """
    try:
        schedule = Schedule.parse(text)
    except ValueError as error:
        raise UnexpectedError(SCHEDULE, f"it has {error}") from None
    if schedule.either:
        raise UnexpectedError(
            SCHEDULE, "cron would run on the day of the month and on the weekday; set only one of the two"
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
    """Scheduled backups of a host."""

    schedule: Annotated[Annotated[str, AfterValidator(_schedule)] | None, Text(SCHEDULE)] = Field(
        None,
        description="When to take a backup: a schedule as for `cron`, in the host's time zone. Default: no scheduled "
        "backups.",
    )
    keep: kind.Positive = Field(7, description="Number of archives to keep; older ones are deleted.")
    to: Annotated[Annotated[str, AfterValidator(_folder)] | None, Text(_FOLDER, r"/[A-Za-z0-9._/-]+")] = Field(
        None, description="Folder for the archives on the host; only root can read it. Default: `/var/backups/<app>`."
    )
    before_migrate: kind.Flag = Field(False, description="Take a backup before each deploy that runs `release`.")

    @property
    def calendar(self) -> str | None:
        """The schedule in the notation of systemd timers; None without a schedule."""
        return None if self.schedule is None else calendar(self.schedule)

    @property
    def is_on_host(self) -> bool:
        """Whether hosts take backups by themselves."""
        return self.schedule is not None or self.before_migrate
