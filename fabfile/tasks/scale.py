"""`fab scale`: how many of each process run, without a deploy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import recipes
from ..deployment.redeploy import Live, SameCode
from ..errors import UsageError
from ..fab import words as command_line
from ..fab.task import task
from ..inventory.project import load
from ..inventory.targets import Limits
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..settings import Settings

_LARGEST = 100


@task(
    help={
        "words": "Written without the flag: process=number, such as worker=3; 0 for none; for web gunicorn's workers.",
        "batch": "Hosts that switch at the same time: a number or a percentage; without it, `batch` of the settings.",
        "skip-unreachable": "Go on without hosts that are away; they lag behind until the next deploy.",
        "yes": "Do not ask before values of one host replace those of others.",
        "json": "Print one JSON document instead of lines.",
    }
)
def scale(
    c: Context,
    words: str = "",
    batch: str | None = None,
    skip_unreachable: bool = False,
    yes: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Say how many of each process run on each host: a release of the same code, kept over the next deploys."""
    settings = load(c).in_batches(batch)
    numbers = _numbers(command_line.split(words), settings)

    def work(live: Live) -> str | None:
        before = live.variables
        after = replace(before, scale={**before.scale, **numbers})
        if live.has(after):
            return None
        return live.again(f"scale {_written(numbers)}", after)

    return SameCode(
        c, settings, Limits(role, host, exclude), skip_unreachable=skip_unreachable, json=json, yes=yes
    ).run("scale", work)


def _written(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={number}" for name, number in numbers.items())


def _numbers(words: Sequence[str], settings: Settings) -> dict[str, int]:
    """How many of each process are asked for.

    :raises UsageError: a word is something else, or there cannot be so many.
    """
    if not words:
        raise UsageError("found no process, expected process=number, such as `fab scale worker=3`")
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
        raise UsageError("web: it is not gunicorn that serves the site, expected that; its own options say how many")
    if settings.processes[name].singleton and number > 1:
        raise UsageError(f"{name}={number}: expected 0 or 1, since {name} is a singleton")
