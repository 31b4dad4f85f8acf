"""Settings of cron entries: commands that run at set times in the live release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from ..errors import SettingsError
from ..hostkit.app.cron import EXPECTED, Schedule
from . import values as kind
from .kinds import MappingOf, Model, Text, UnexpectedError
from .processes import Process

# Name of the process that runs the entries.
CRON = "cron"
_COMMAND = 'exec "$VIRTUAL_ENV/bin/python" -I "${VIRTUAL_ENV%/venv}/cron.py" "${VIRTUAL_ENV%/venv}/cron.json"'
_ENTRY = "a mapping such as {schedule: 0 3 * * *, command: python cleanup.py}"
_NAME = "a name of letters, digits, - and _, such as cleanup"


def _schedule(value: str) -> str:
    try:
        Schedule.parse(value)
    except ValueError as error:
        raise UnexpectedError(EXPECTED, f"it has {error}") from None
    return value


class CronEntry(Model):
    """A command to run at set times."""

    schedule: Annotated[str, AfterValidator(_schedule), Text(EXPECTED)] = Field(
        description="When to run: minute, hour, day of the month, month and day of the week, as in a crontab, in the "
        "host's time zone."
    )
    command: Annotated[str, AfterValidator(kind.command), Text(kind.COMMAND)] = Field(
        description="Shell command to run in the folder of the live release, with the environment of the release."
    )
    every_host: kind.Flag = Field(
        False, description="Run it on every host of the app, not only on the primary or else the first one."
    )


Cron = Annotated[
    dict[
        Annotated[str, Text(_NAME, "[A-Za-z][A-Za-z0-9_-]{0,62}")],
        Annotated[CronEntry, MappingOf(_ENTRY)],
    ],
    MappingOf("names with entries, such as {cleanup: {schedule: 0 3 * * *, command: python cleanup.py}}"),
]


def with_scheduler(processes: Mapping[str, Process], cron: Mapping[str, CronEntry]) -> dict[str, Process]:
    """Add the process that runs the entries, if there are entries.

    :raises SettingsError: the app has a process of that name.
    """
    own = processes.get(CRON, Process())
    if not cron:
        return dict(processes)
    if own.command:
        raise SettingsError(
            f"processes.{CRON}: found the command {own.command!r}, expected another name for this process: {CRON} "
            "runs the entries of the setting cron"
        )
    return {**processes, CRON: own.model_copy(update={"command": _COMMAND, "singleton": True})}
