"""`fab backup`: the app's data in one archive here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..agent.archive import Archive
from ..archive.making import made, size_in_words
from ..archive.parts import parts
from ..archive.places import beside, main_host, placed
from ..console import Console, print_json
from ..environment.secret_key import find_key
from ..fleet import Fleet
from ..settings import load
from ..targets import Limits, targets, with_app
from .base import task

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    help={
        "to": "Folder here that the archive is written to; without it, this one.",
        "encrypt": "Encrypt it with the project's key; see `fab secrets.init`.",
        "json": "Print one JSON document instead of lines.",
    }
)
def backup(
    c: Context,
    to: str = ".",
    encrypt: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> Path:
    """Write the app's databases, files and environment to one archive here."""
    settings = load(c)
    key = find_key(settings) if encrypt else None
    console = Console(quiet=json)
    hosts = with_app(targets(c, settings, Limits(role, host, exclude)))
    main, wanted = main_host(hosts), parts(settings)
    chosen = [main, *beside(c, settings, [main], wanted)]
    with Fleet(chosen, console, settings.concurrency, f"backup {settings.app}") as fleet:
        fleet.connect()
        fleet.check()
        places = placed(settings, wanted, fleet.members, fleet.members[0])
        path = made(settings.app, Path(to), places, fleet.members[0], key)
    manifest = Archive(str(path)).manifest()
    if json:
        print_json({"ok": True, "archive": str(path), **manifest})
    for part in manifest["parts"]:
        console.say(f"{part['name']}: {size_in_words(part['plain'])}, {size_in_words(part['size'])} in the archive")
    console.say(f"{settings.app}: {path}", style="bold green")
    if len(hosts) > 1:
        console.say(f"the files are those of {main.label}, the other hosts' own are not in it", style="yellow")
    return path
