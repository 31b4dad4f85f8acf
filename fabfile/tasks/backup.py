"""`fab backup`: the app's data in one archive on this machine."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from .. import archive
from ..environment.secret_key import find_key
from ..fab.task import JSON, TaskCall, task
from ..fleet import Fleet
from ..inventory import parts


@task(
    JSON,
    help={
        "to": "Folder on this machine for the archive; by default, the working folder.",
        "encrypt": "Encrypt it with the project's key; see `fab secrets.init`.",
    },
)
def backup(call: TaskCall, to: str = ".", *, encrypt: bool = False) -> Path:
    """Write the app's databases, files and environment to one archive on this machine."""
    settings, console = call.settings, call.console
    key = find_key(settings) if encrypt else None
    hosts = call.app_hosts()
    main, wanted = parts.main_host(hosts), parts.parts(settings)
    chosen = [main, *parts.beside(call.c, settings, [main], wanted)]
    with Fleet(chosen, console, settings.concurrency, f"backup {settings.app}") as fleet:
        fleet.connect()
        fleet.check()
        places = archive.locations.locate(settings, wanted, fleet.members, fleet.members[0])
        path = archive.writer.write_archive(settings.app, Path(to), places, fleet.members[0], key)
    manifest = archive.reader.manifest(path)
    call.document.update(archive=str(path), manifest=manifest)
    for part in manifest["parts"]:
        plain, packed = (archive.writer.size_in_words(part[key]) for key in ("plain", "size"))
        console.say(f"{part['name']}: {plain}, {packed} in the archive")
    console.say(f"{settings.app}: {path}", style="bold green")
    if _is_seen_by_git(path):
        console.say(f"git does not ignore {path}: keep it out of commits and of `fab deploy --dirty`", style="yellow")
    if len(hosts) > 1:
        console.say(f"the archive has the files of {main.label}, not those of the other hosts", style="yellow")
    return path


def _is_seen_by_git(path: Path) -> bool:
    """Whether a file is in a repository that does not ignore it."""
    with contextlib.suppress(OSError):
        argv = ["git", "-C", str(path.parent), "check-ignore", "--quiet", "--", path.name]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 1
    return False
