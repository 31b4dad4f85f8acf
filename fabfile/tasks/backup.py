"""`fab backup`: the app's data in one archive here."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .. import archive
from ..console import Console, print_json
from ..environment.secret_key import find_key
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..inventory import parts
from ..inventory.project import load
from ..inventory.targets import Limits, targets, with_app

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
    main, wanted = parts.main_host(hosts), parts.parts(settings)
    chosen = [main, *parts.beside(c, settings, [main], wanted)]
    with Fleet(chosen, console, settings.concurrency, f"backup {settings.app}") as fleet:
        fleet.connect()
        fleet.check()
        places = archive.places.placed(settings, wanted, fleet.members, fleet.members[0])
        path = archive.making.made(settings.app, Path(to), places, fleet.members[0], key)
    manifest = archive.reading.manifest(path)
    if json:
        print_json({"ok": True, "archive": str(path), **manifest})
    for part in manifest["parts"]:
        plain, packed = (archive.making.size_in_words(part[key]) for key in ("plain", "size"))
        console.say(f"{part['name']}: {plain}, {packed} in the archive")
    console.say(f"{settings.app}: {path}", style="bold green")
    if _is_seen_by_git(path):
        console.say(f"git does not ignore {path}: keep it out of commits and of `fab deploy --dirty`", style="yellow")
    if len(hosts) > 1:
        console.say(f"the files are those of {main.label}, the other hosts' own are not in it", style="yellow")
    return path


def _is_seen_by_git(path: Path) -> bool:
    """Whether a file is in a repository that does not ignore it."""
    with contextlib.suppress(OSError):
        argv = ["git", "-C", str(path.parent), "check-ignore", "--quiet", "--", path.name]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 1
    return False
