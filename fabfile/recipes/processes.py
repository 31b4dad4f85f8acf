"""Configuration of a release's processes: supervisor, gunicorn, start script and cron."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..hostkit.app import cron
from ..hostkit.app.layout import SINGLETONS_CONF, Layout
from ..inventory.processes import cron_entries, processes
from ..rendering.template import Template
from ..resources import Directory, File, Resource, Validated
from . import servers

if TYPE_CHECKING:
    from ..settings import Settings
    from ..settings.processes import Process

# A command with one of these needs the shell to stay; any other replaces it, so that signals reach the program.
_SHELL_SYNTAX = re.compile(r"[;&|<>\n]|^[({]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def configuration(settings: Settings, roles: Container[str], release_id: str) -> Resource:
    """Write the configuration of the processes, all inside the release, so that a rollback restores it."""
    layout = Layout(settings.app)
    folder = layout.release(release_id)
    here = processes(settings, roles)
    common = {
        "app": settings.app,
        "release": release_id,
        "folder": folder,
        "socket": layout.socket(release_id),
    }
    programs = [
        {"name": name, "line": _shell(name, process.command), "through_shell": _needs_shell(process.command),
         "memory": process.memory_kib}
        for name, process in settings.processes.items()
    ]  # fmt: skip
    gunicorn = {"workers": settings.workers, "threads": settings.threads, "web_timeout": settings.web_timeout}
    several = {name: process for name, process in here.items() if not process.singleton}
    once = {name: process for name, process in here.items() if process.singleton}

    def supervised(file: str, group: str, processes: Mapping[str, Process]) -> Template:
        """Write supervisord's configuration of a group of processes."""
        programs = [_program(settings, name, process) for name, process in processes.items()]
        variables = {**common, "group": group, "processes": programs, "logs": layout.logs}
        return Template(f"{folder}/{file}", "supervisor/app.conf.j2", variables, mode=0o644)

    files: list[Resource] = [
        Template(f"{folder}/gunicorn.conf.py", "gunicorn/gunicorn.conf.py.j2", {**common, **gunicorn}, mode=0o644),
        supervised("supervisor.conf", layout.group(release_id), several),
        *([supervised(SINGLETONS_CONF, layout.singletons(release_id), once)] if once else []),
        Template(f"{folder}/start", "app/start.sh.j2", {**common, "processes": programs, "home": layout.shared,
                  "static": layout.static(release_id) if settings.is_django else None}, mode=0o755),
    ]  # fmt: skip
    return Validated("configuration", (*files, *_cron(settings, roles, folder), *sockets(settings, roles, release_id)))


def _cron(settings: Settings, roles: Container[str], folder: str) -> list[Resource]:
    """Write the program that runs the cron entries, and the entries, into the release, to go live with it."""
    if not settings.cron or "cron" not in processes(settings, roles):
        return []
    entries = {name: {"schedule": e.schedule, "command": e.command} for name, e in cron_entries(settings).items()}
    return [
        File(f"{folder}/cron.py", Path(cron.__file__).read_text(encoding="utf-8"), mode=0o644),
        File(f"{folder}/cron.json", json.dumps(entries, indent=1) + "\n", mode=0o644),
    ]


def _program(settings: Settings, name: str, process: Process) -> dict[str, Any]:
    """Return the variables of a process for supervisord's configuration."""
    return {
        "name": name,
        "scale": process.scale,
        "start_seconds": process.start_timeout,
        "stop_signal": process.stop_signal,
        # gunicorn aborts a request that takes longer than `web_timeout`.
        "stop_seconds": process.stop_timeout or settings.web_timeout + 5,
        "through_shell": _needs_shell(process.command),
    }


def sockets(settings: Settings, roles: Container[str], release_id: str) -> list[Resource]:
    """Create the folder of the web process's socket, which only the app and nginx can reach.

    Root owns it, with the sticky bit and write access for all: in such a folder the kernel follows no symlink of the
    app's (`fs.protected_symlinks`). nginx can enter every app's folder, and would follow it to another app's socket.
    """
    if "web" not in processes(settings, roles):
        return []
    folder = f"{Layout(settings.app).release(release_id)}/run"
    return [Directory(folder, mode=0o1777, owner="root", group="root")]


def _shell(name: str, command: str) -> str:
    """Convert a process's command to a line of the start script.

    :raises SettingsError: the web process would not listen on the release's socket.
    """
    if name == "web":
        _check_web(command)
    if _needs_shell(command) or command.startswith("exec "):
        return command
    # `NAME=value program` is shell syntax; exec would take the first word as the program.
    return f"exec env {command}" if _ASSIGNMENT.match(command) else f"exec {command}"


def _needs_shell(command: str) -> bool:
    """Whether the shell stays between supervisord and the program."""
    return bool(_SHELL_SYNTAX.search(command))


def _check_web(command: str) -> None:
    if re.search(r"\$\{?SOCKET\b", command):
        return
    bind = re.search(r"\s(-b|--bind\b)\S*", command)
    if servers.is_gunicorn(command) and not bind:
        return
    found = f"`{bind.group().strip()}` in" if bind else "no `$SOCKET` in"
    raise SettingsError(
        f"process web: found {found} {command!r}, expected a server on the release's own Unix socket: "
        "gunicorn without --bind, which gets the socket by its configuration, or another server with $SOCKET, "
        "such as `uvicorn app:app --uds $SOCKET`"
    )
