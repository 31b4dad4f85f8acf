"""`fab init`: detection of a project, and the files to deploy it with."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import Console, diff_style
from ..contract.base import ResourceError
from ..errors import SettingsError, UsageError
from ..fab.task import TaskCall, task
from ..hostkit.linux.filesystem import write_atomic
from ..settings.fabric_config import project_folder

if TYPE_CHECKING:
    from ..detect import Finding, Project

_SETTINGS, _PROCFILE, _FABFILE = "fabric.yaml", "Procfile", "fabfile.py"
# Fabric reads the first of them.
_OTHER_SETTINGS = ("fabric.yml", "fabric.json", "fabric.py")
# What is on a developer's machine, and on no server.
_NOT_DEPLOYED = (".venv", "venv", "env", ".env", "node_modules", "__pycache__", "db.sqlite3")


@task(
    hosts=False,
    help={
        "app": "Name of the app; by default, that of the project or of its folder.",
        "host": "The server, such as root@203.0.113.7.",
        "force": "Overwrite fabric.yaml.",
    },
)
def init(call: TaskCall, app: str | None = None, host: str | None = None, force: bool = False) -> list[str]:
    """Detect the project in this folder, and write its fabric.yaml, Procfile and fabfile.py."""
    from ..detect import detect, starter

    folder, console = project_folder(call.c.config), call.console
    project = detect(folder)
    name = _name(project, app)
    _check(name.value, host)
    _tell(console, name.value, project)
    writer = _Writer(folder, console)
    writer.settings(starter.fabric_yaml(project, name, host), force)
    writer.new(_PROCFILE, starter.procfile(project))
    writer.new(_FABFILE, starter.FABFILE)
    _remark(console, [*project.remarks, *_own_remarks(folder, project)])
    _next(console, folder, writer.written, host)
    return writer.written


def _name(project: Project, given: str | None) -> Finding:
    from ..detect import Finding
    from ..settings.values import app_name_like

    if given is not None:
        return Finding(given, "")
    return Finding(app_name_like(project.name.value) or "web", project.name.reason)


def _check(app: str, host: str | None) -> None:
    """Check that the settings will accept the flags.

    :raises SettingsError: they will not.
    """
    from pydantic import ValidationError

    from ..settings.environment import Overlay
    from ..settings.fabric_config import Layer
    from ..settings.problems import Whereabouts, explain
    from ..settings.project import Settings

    given = {"app": app, "roles": {"web": [host]} if host else {}}
    try:
        Settings.model_validate(given)
    except ValidationError as error:
        whereabouts = Whereabouts([Layer("the command line", given)], Overlay(), _SETTINGS)
        raise SettingsError("\n".join(explain(error, whereabouts, app))) from None


class _Writer:
    """Writes files of a project, and says what became of each.

    :ivar written: their names.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder, self.console = folder, console
        self.written: list[str] = []

    def settings(self, text: str, force: bool) -> None:
        """Write fabric.yaml, or show how it differs from what would be written."""
        path = self.folder / _SETTINGS
        other = next((name for name in _OTHER_SETTINGS if (self.folder / name).exists()), None)
        before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if before == text:
            self._say("kept", f"{_SETTINGS}: nothing would be different")
        elif other and before is None:
            self._say("kept", f"{other}, which has the settings already")
        elif before is None or force:
            self._write(_SETTINGS, text)
        else:
            self._say("kept", f"{_SETTINGS}; --force would make this of it:")
            rows = difflib.unified_diff(
                before.splitlines(), text.splitlines(), f"{_SETTINGS} (now)", f"{_SETTINGS} (then)", lineterm=""
            )
            for row in rows:
                self.console.say(f"         {row}", style=diff_style(row))

    def new(self, name: str, text: str) -> None:
        """Write a file that is not there yet."""
        if (self.folder / name).exists() or (name == _FABFILE and (self.folder / "fabfile").is_dir()):
            self._say("kept", name)
        elif text:
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        try:
            write_atomic(str(self.folder / name), text.encode(), mode=0o644)
        except ResourceError as error:
            raise UsageError(f"found {error}, expected a folder in which {name} can be written") from None
        self.written.append(name)
        self._say("wrote", name, "green")

    def _say(self, word: str, text: str, style: str | None = None) -> None:
        self.console.say(f"  {word.ljust(6)} {text}", style=style)


def _tell(console: Console, app: str, project: Project) -> None:
    """Say what was found out, and why."""
    what = f"{project.app.framework} app" if project.app else "no app was found that could be served"
    console.say(f"{app}: {what}", style="bold")
    rows = [(name, one.value, f"because {one.reason}") for name, one in _findings(project)]
    if rows:
        console.say()
        console.table(("FOUND", "GUESS", "WHY"), rows)
    if project.others:
        console.say("\nIt could also be:")
        console.table(("WEB", "WHY"), [(app.command, f"because {app.reason}") for app in project.others])
    console.say()


def _findings(project: Project) -> Iterator[tuple[str, Finding]]:
    yield from project.processes.items()
    names = ("framework", "requirements", "health", "static")
    yield from ((name, one) for name in names if (one := getattr(project, name)))


def _own_remarks(folder: Path, project: Project) -> Iterator[str]:
    if not project.processes:
        yield "no process is known: say in a Procfile how the site is served, such as `web: gunicorn blog:app`"
    fabfile = folder / _FABFILE
    if fabfile.is_file() and "hostsmith" not in fabfile.read_text(encoding="utf-8", errors="replace"):
        yield f"{_FABFILE} does not have hostsmith's tasks yet: add `from hostsmith import ns` to it"
    ignored = _lines(folder / ".gitignore")
    if shown := [name for name in _NOT_DEPLOYED if (folder / name).exists() and name not in ignored]:
        yield f"add to .gitignore what no server needs: {', '.join(shown)}"


def _lines(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return {line.strip().strip("/") for line in text.splitlines()}


def _remark(console: Console, remarks: Sequence[str]) -> None:
    if remarks:
        console.say()
    for remark in remarks:
        console.say(f"  note   {remark}", style="yellow")


def _next(console: Console, folder: Path, written: Sequence[str], host: str | None) -> None:
    """Say what to do from here on."""
    steps = []
    if not host and _SETTINGS in written:
        steps.append(f"name your server in {_SETTINGS}, under `roles`")
    if written and any((place / ".git").exists() for place in (folder, *folder.parents)):
        steps.append(f'git add {" ".join(written)} && git commit --message "Deploy with hostsmith"')
    steps += ["fab provision", "fab deploy"]
    console.say("\nNext:", style="bold")
    shown = os.path.relpath(folder)
    if shown != ".":
        console.say(f"  in {shown}:")
    for number, step in enumerate(steps, start=1):
        console.say(f"  {number}. {step}")
