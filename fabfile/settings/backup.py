"""The settings of backups that a host makes by itself."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from . import values as kind
from .kinds import Text, UnexpectedError
from .model import Model

EXPECTED = "a mapping such as {schedule: '15 3 * * *', keep: 7}"
_SCHEDULE = "the five fields of cron, such as '15 3 * * *' for a quarter past three each night"
_FOLDER = "an absolute path such as /var/backups/hello"
# The first and last value of each field.
_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def calendar(schedule: str) -> str:
    """A schedule in the notation of cron as systemd's timers have it; see systemd.time(7).

    :raises UnexpectedError: it is none, or one that cannot be said there.
    """
    words = schedule.split()
    if len(words) != len(_FIELDS):
        raise UnexpectedError(_SCHEDULE)
    minute, hour, day, month, weekday = (
        _values(word, name, *bounds) for word, (name, bounds) in zip(words, _FIELDS.items(), strict=True)
    )
    if day and weekday:
        raise UnexpectedError(
            _SCHEDULE, "cron runs on such a day of the month and on such a weekday, too; name one of the two"
        )
    names = ",".join(dict.fromkeys(_WEEKDAYS[number] for number in weekday))
    date = f"*-{_listed(month)}-{_listed(day)}"
    return f"{names} {date} {_listed(hour)}:{_listed(minute)}:00".strip()


def _values(word: str, name: str, first: int, last: int) -> list[int]:
    """The values that a field stands for; none for all of them."""
    if word == "*":
        return []
    found: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?", part)
        if not match:
            raise UnexpectedError(_SCHEDULE, found=f"{part!r} for the {name}")
        low = int(match[1] or first)
        high = int(match[2]) if match[2] else last if match[1] is None or match[3] else low
        if not first <= low <= high <= last or match[3] == "0":
            raise UnexpectedError(f"{first} to {last} for the {name}", found=repr(part))
        found.update(range(low, high + 1, int(match[3] or 1)))
    return sorted(found)


def _listed(values: list[int]) -> str:
    return ",".join(f"{value:02}" for value in values) or "*"


def _schedule(text: str) -> str:
    calendar(text)
    return text


def _folder(text: str) -> str:
    if ".." in text.split("/"):
        raise UnexpectedError(_FOLDER)
    return text.rstrip("/")


class Backup(Model):
    """Backups that a host makes by itself."""

    schedule: Annotated[Annotated[str, AfterValidator(_schedule)] | None, Text(_SCHEDULE)] = Field(
        None, description="When, as the five fields of cron, in the host's time. Default: only before a migration."
    )
    keep: kind.Positive = Field(7, description="Archives that are kept; the oldest goes when there are more.")
    to: Annotated[Annotated[str, AfterValidator(_folder)] | None, Text(_FOLDER, r"/[A-Za-z0-9._/-]+")] = Field(
        None, description="Folder on the host, which root alone can read. Default: `/var/backups/<app>`."
    )
    before_migrate: kind.Flag = Field(
        False, description="Whether a deploy whose `release` command runs takes a backup before it begins."
    )

    @property
    def is_on_host(self) -> bool:
        """Whether the hosts make any."""
        return self.schedule is not None or self.before_migrate
