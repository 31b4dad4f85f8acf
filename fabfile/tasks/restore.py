"""`fab restore`: an archive of `fab backup` becomes the app's data again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import archive
from ..console import Console
from ..deployment.deployment import underway
from ..errors import UsageError
from ..fab import words
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..fleet.summary import told
from ..inventory import parts
from ..inventory.project import load
from ..inventory.targets import Limits, Target, targets, with_app
from ..printable import printable
from ..report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from ..archive.reading import Readable


@task(
    help={
        "words": "Written without the flag: the file that `fab backup` wrote.",
        "yes": "Do not ask.",
        "unencrypted": "Take an archive that is not encrypted although the project has a key.",
        "json": "Print one JSON document instead of lines.",
    }
)
def restore(
    c: Context,
    words: str = "",
    yes: bool = False,
    unencrypted: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Put an archive back: verify it, load it beside the app's data, then swap."""
    settings = load(c)
    console = Console(quiet=json)
    known = parts.parts(settings)
    found = archive.reading.readable(_archive(words), settings, known)
    if not unencrypted:
        archive.reading.require_encrypted(found, settings)
    hosts = with_app(targets(c, settings, Limits(role, host, exclude)))
    wanted = [part for part in known if part.name in found.names]
    others = parts.beside(c, settings, hosts, wanted)
    if not yes:
        _ask(found, [*hosts, *others])
    with (
        told(console, "restore", release=None) as outcome,
        underway(c, settings, hosts, console, outcome, skip_unreachable=False) as run,
        Fleet(others, Console(quiet=True), settings.concurrency, None) as rest,
    ):
        rest.connect()
        rest.lock("restore", settings.lock_timeout)
        outcome.reports += rest.reports
        rest.require("a host of a service is away or held by another run; nothing has changed")
        chosen = parts.main_host([member.target for member in run.fleet.members])
        main = next(member for member in run.fleet.members if member.target is chosen)
        places = archive.places.placed(settings, wanted, [*run.fleet.members, *rest.members], main)
        record = archive.restoring.Restoring(run, rest, found, places).do()
        outcome.more["release"] = record.id
    what = f"{', '.join(found.names)} of {found.manifest['created']}"
    console.say(f"{settings.app}: release {record.id} is live with {what}", style="bold green")
    return outcome.reports


def _archive(given: str) -> str:
    found = words.split(given)
    if len(found) != 1:
        raise UsageError(
            f"found {' '.join(found) or 'no archive'}, expected one: `fab restore hello-20261121-031500.tar`"
        )
    return found[0]


def _ask(found: Readable, hosts: Sequence[Target]) -> None:
    """Say what is about to be replaced, and by what, and wait for a yes.

    :raises UsageError: there is none.
    """
    if not sys.stdin.isatty():
        raise UsageError("found no terminal to ask on, expected --yes, which replaces the app's data without asking")
    said = found.manifest
    sizes = [f"  {part['name']}: {archive.making.size_in_words(part['plain'])}" for part in said["parts"]]
    lines = [
        f"The archive of {said['app']} from {said['created']}, release {said['release'] or 'none'}:",
        *sizes,
        f"  variables that it sets: {', '.join(found.variables) or 'none'}",
        f"It replaces what {', '.join(target.label for target in hosts)} has of these; the app rests meanwhile.",
    ]
    sys.stderr.write(printable("\n".join([*lines, f"Write {said['app']} to go on: "])))
    sys.stderr.flush()
    if sys.stdin.readline().strip() != said["app"]:
        raise UsageError("not asked for; nothing has changed")
