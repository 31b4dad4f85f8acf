"""`fab scale`: how many of each process run, without a deploy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import recipes
from ..deployment.deployment import Rollout
from ..deployment.redeploy import Current
from ..errors import UsageError
from ..fab.task import BATCH, JSON, SKIP_UNREACHABLE, TaskCall, task
from ..report import Report

if TYPE_CHECKING:
    from ..settings import Settings

_LARGEST = 100


@task(
    BATCH,
    SKIP_UNREACHABLE,
    JSON,
    arguments="PROCESS=NUMBER ...",
    help={
        "words": "Such as worker=3; 0 for none; for web, the number of gunicorn's workers.",
        "yes": "Do not ask before values of one host replace those of others.",
    },
)
def scale(call: TaskCall, words: Sequence[str] = (), *, yes: bool = False) -> list[Report]:
    """Set how many of each process run per host; later deploys keep the numbers."""
    numbers = _numbers(words, call.settings)

    def choose(current: Current) -> Rollout | None:
        before = current.variables
        after = replace(before, scale={**before.scale, **numbers})
        return None if current.has(after) else current.again(f"scale {_written(numbers)}", after)

    return call.redeploy("scale", choose, yes)


def _written(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={number}" for name, number in numbers.items())


def _numbers(words: Sequence[str], settings: Settings) -> dict[str, int]:
    """Read the numbers of processes.

    :raises UsageError: a word is something else, or the number is not possible.
    """
    if not words:
        raise UsageError("there is no process to scale; write process=number, such as `fab scale worker=3`")
    found = {}
    for word in words:
        name, _, number = word.partition("=")
        if not re.fullmatch(r"[0-9]{1,3}", number) or int(number) > _LARGEST:
            raise UsageError(f"found {word!r}, expected process=number with a number from 0 to {_LARGEST}")
        _require_possible(name, int(number), settings)
        found[name] = int(number)
    return found


def _require_possible(name: str, number: int, settings: Settings) -> None:
    known = [each for each in settings.processes if each != "release"]
    if name not in known:
        raise UsageError(f"found process {name!r}, expected one of: {', '.join(known)}")
    if name == "web" and not number:
        raise UsageError("web=0: expected 1 or more, since a site without it could not be healthy")
    if name == "web" and not recipes.servers.is_gunicorn(settings.processes["web"].command):
        raise UsageError("web: only gunicorn can be scaled here; set the number of workers in the server's own options")
    if settings.processes[name].singleton and number > 1:
        raise UsageError(f"{name}={number}: expected 0 or 1, since {name} is a singleton")
