"""`fab backups`: the archives of scheduled backups on the hosts."""

from __future__ import annotations

from typing import Any

from .. import archive, recipes
from ..errors import BackupError, UsageError
from ..fab.task import JSON, TaskCall, task
from ..inventory import parts


@task(JSON)
def backups(call: TaskCall) -> dict[str, Any]:
    """List the archives of scheduled backups on the hosts."""
    settings, folder = call.settings, recipes.backup.folder(call.settings)
    hosts = [target for target in call.hosts() if any(parts.parts_on(settings, target.roles))]
    if not hosts:
        raise UsageError("none of these hosts has data of the app; see `fab hosts`")
    with call.look(hosts) as fleet:
        found = fleet.each(lambda member: member.ask("backups", app=settings.app, folder=folder))
    answers = {member.label: answer for member, answer in found.items()}
    call.document["hosts"] = answers
    _show(call, answers, folder)
    fleet.check()
    if problems := [f"{label}: {answer['problem']}" for label, answer in answers.items() if answer["problem"]]:
        raise BackupError("\n".join(problems))
    return answers


def _show(call: TaskCall, found: dict[str, Any], folder: str) -> None:
    rows = [
        (
            call.console.name(label),
            f"{folder}/{each['name']}",
            archive.writer.size_in_words(each["size"]),
            ", ".join(each["parts"]),
        )
        for label, answer in found.items()
        for each in answer["archives"]
    ]
    if rows:
        call.console.table(("HOST", "ARCHIVE", "SIZE", "PARTS"), rows)
    elif found:
        call.console.say(f"there are none in {folder}; `backup` in fabric.yaml schedules them")
