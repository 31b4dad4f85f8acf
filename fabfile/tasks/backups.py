"""`fab backups`: the archives that the hosts have made by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import archive, recipes
from ..console import Console, print_json
from ..errors import BackupError, UsageError
from ..fab.task import task
from ..fleet.fleet import Fleet, Member
from ..inventory import parts
from ..inventory.project import load
from ..inventory.targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context


@task(help={"json": "Print one JSON document instead of a table."})
def backups(
    c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None, json: bool = False
) -> dict[str, Any]:
    """List the archives that the hosts have made by themselves."""
    settings = load(c)
    chosen = [
        target
        for target in targets(c, settings, Limits(role, host, exclude))
        if any(parts.parts_on(settings, target.roles))
    ]
    if not chosen:
        raise UsageError("found no host that has data of the app, expected one or more; see `fab hosts`")
    console = Console(quiet=json)

    def look(member: Member) -> Any:
        return member.session.ask("backups", app=settings.app, folder=recipes.backup.folder(settings))

    with Fleet(chosen, console, settings.concurrency, None) as fleet:
        found = {member.label: answer for member, answer in fleet.each(look).items()}
    if json:
        print_json(found)
    else:
        _show(console, found, recipes.backup.folder(settings))
    fleet.check()
    if problems := [f"{label}: {answer['problem']}" for label, answer in found.items() if answer["problem"]]:
        raise BackupError("\n".join(problems))
    return found


def _show(console: Console, found: dict[str, Any], where: str) -> None:
    rows = [
        (
            console.name(label),
            f"{where}/{each['name']}",
            archive.making.size_in_words(each["size"]),
            ", ".join(each["parts"]),
        )
        for label, answer in found.items()
        for each in answer["archives"]
    ]
    if rows:
        console.table(("HOST", "ARCHIVE", "SIZE", "PARTS"), rows)
    else:
        console.say(f"there are none in {where}; `backup` of fabric.yaml has the hosts make them")
