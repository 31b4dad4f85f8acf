"""`fab restore`: an archive of `fab backup` restored as the app's data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import archive
from ..console import Console
from ..errors import UsageError
from ..fab.task import JSON, TaskCall, task
from ..fleet import Fleet
from ..inventory import parts
from ..printable import printable
from ..report import Report

if TYPE_CHECKING:
    from ..archive.reader import VerifiedArchive
    from ..inventory.targets import Target


@task(
    JSON,
    arguments="ARCHIVE",
    help={
        "words": "The file that `fab backup` wrote.",
        "yes": "Do not ask.",
        "unencrypted": "Accept an archive that is not encrypted although the project has a key.",
    },
)
def restore(call: TaskCall, words: Sequence[str] = (), *, yes: bool = False, unencrypted: bool = False) -> list[Report]:
    """Restore an archive: verify it, load it beside the app's data, then swap."""
    settings = call.settings
    known = parts.parts(settings)
    found = archive.reader.open_archive(_archive(words), settings, known)
    if not unencrypted:
        archive.reader.require_encrypted(found, settings)
    hosts = call.app_hosts()
    wanted = [part for part in known if part.name in found.names]
    others = parts.beside(call.c, settings, hosts, wanted)
    if not yes:
        _ask(found, [*hosts, *others])
    with (
        call.deployment("restore", hosts) as deployment,
        Fleet(others, Console(quiet=True), settings.concurrency, None) as rest,
    ):
        deployment.reports += rest.reports
        record = archive.restore.RestoreRun(deployment, rest, found, wanted).execute()
    call.document["release"] = record.id
    what = f"{', '.join(found.names)} of {found.manifest['created']}"
    call.console.say(f"{settings.app}: release {record.id} is live with {what}", style="bold green")
    return deployment.reports


def _archive(words: Sequence[str]) -> str:
    if len(words) != 1:
        raise UsageError(
            f"found {' '.join(words) or 'no archive'}, expected one: `fab restore hello-20261121-031500.tar`"
        )
    return words[0]


def _ask(found: VerifiedArchive, hosts: Sequence[Target]) -> None:
    """Show what is about to be replaced, and by what, and ask for confirmation.

    :raises UsageError: there is no terminal, or the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError("cannot ask for confirmation without a terminal; pass --yes to replace the app's data")
    said = found.manifest
    sizes = [f"  {part['name']}: {archive.writer.size_in_words(part['plain'])}" for part in said["parts"]]
    lines = [
        f"The archive of {said['app']} from {said['created']}, release {said['release'] or 'none'}:",
        *sizes,
        f"  variables that it sets: {', '.join(found.variables) or 'none'}",
        f"It replaces what {', '.join(target.label for target in hosts)} has of these; the app is stopped meanwhile.",
    ]
    sys.stderr.write(printable("\n".join([*lines, f"Write {said['app']} to go on: "])))
    sys.stderr.flush()
    if sys.stdin.readline().strip() != said["app"]:
        raise UsageError("cancelled; nothing has changed")
