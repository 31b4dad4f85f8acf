"""A release of the app: what it is made of, and its way to going live."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..hostkit.app import cron
from ..hostkit.app.health import HTTPS_PORT, HealthCheck
from ..hostkit.app.layout import SINGLETONS_CONF, Layout, Record
from ..inventory.processes import cron_entries, processes
from ..rendering.template import Template
from ..resources import Directory, File, Resource, Validated
from ..resources.release.django import DeployCheck
from ..resources.release.environment import Environment, GeneratedValues
from ..resources.release.live import Live
from ..resources.release.release import Pruned, ReleaseCode, ReleaseCopy, ReleaseRecord, ReleaseVenv
from ..resources.release.release_command import ReleaseCommand
from ..resources.release.scaled import Scaled
from ..resources.release.settled import Settled
from ..resources.release.singletons import Singletons, SingletonsEnded
from . import servers
from .static import static

if TYPE_CHECKING:
    from ..environment.variables import Wanted
    from ..settings import Settings
    from ..settings.processes import Process

_HTTP_PORT = 80
# A command with one of these needs the shell to stay; any other replaces it, so that signals reach the program.
_SHELL_SYNTAX = re.compile(r"[;&|<>\n]|^[({]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def prepared(
    settings: Settings, roles: Container[str], record: Record, code: ReleaseCode, wanted: Wanted
) -> list[Resource]:
    """A new release on a host, ready to be started.

    :param record: what the release knows of itself.
    :param code: its code.
    :param wanted: its variables.
    """
    return [
        ReleaseRecord(settings.app, record),
        code,
        virtualenv(settings, record.id),
        configuration(settings.scaled(wanted.variables.scale), roles, record.id),
        *environment(settings, record.id, wanted),
        *static(settings, record.id),
    ]


def reconfigured(
    settings: Settings, roles: Container[str], record: Record, live: str, wanted: Wanted
) -> list[Resource]:
    """A new release that is the live one again, but for its variables; ready to be started.

    :param live: id of the live release.
    """
    return [
        ReleaseRecord(settings.app, record),
        ReleaseCopy(settings.app, record.id, live),
        virtualenv(settings, record.id),
        Validated("sockets", tuple(_sockets(settings, roles, record.id))),
        *scaled(settings, roles, record.id, wanted),
        *environment(settings, record.id, wanted),
        *static(settings, record.id),
    ]


def virtualenv(settings: Settings, release_id: str) -> Resource:
    """The virtualenv, with gunicorn in it when the web process wants it and the requirements do not bring it."""
    tools = servers.packages(settings.processes["web"].command)
    files = None if settings.requirements is None else tuple(settings.requirements)
    return ReleaseVenv(settings.app, release_id, settings.python, files, tools, settings.build_timeout)


def configuration(settings: Settings, roles: Container[str], release_id: str) -> Resource:
    """The files that a release is run with, all inside of it, so that a rollback brings them back."""
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
        """What supervisord is told of a group of processes."""
        told = [_program(settings, name, process) for name, process in processes.items()]
        variables = {**common, "group": group, "processes": told, "logs": layout.logs}
        return Template(f"{folder}/{file}", "supervisor/app.conf.j2", variables, mode=0o644)

    files: list[Resource] = [
        Template(f"{folder}/gunicorn.conf.py", "gunicorn/gunicorn.conf.py.j2", {**common, **gunicorn}, mode=0o644),
        supervised("supervisor.conf", layout.group(release_id), several),
        *([supervised(SINGLETONS_CONF, layout.singletons(release_id), once)] if once else []),
        Template(f"{folder}/start", "app/start.sh.j2", {**common, "processes": programs, "home": layout.shared,
                  "static": layout.static(release_id) if settings.is_django else None}, mode=0o755),
    ]  # fmt: skip
    return Validated("configuration", (*files, *_cron(settings, roles, folder), *_sockets(settings, roles, release_id)))


def _cron(settings: Settings, roles: Container[str], folder: str) -> list[Resource]:
    """The program that runs the cron entries, and the entries: in the release, so that they go live with it."""
    if not settings.cron or "cron" not in processes(settings, roles):
        return []
    entries = {name: {"schedule": e.schedule, "command": e.command} for name, e in cron_entries(settings).items()}
    return [
        File(f"{folder}/cron.py", Path(cron.__file__).read_text(encoding="utf-8"), mode=0o644),
        File(f"{folder}/cron.json", json.dumps(entries, indent=1) + "\n", mode=0o644),
    ]


def _program(settings: Settings, name: str, process: Process) -> dict[str, Any]:
    """What supervisord is told of a process."""
    return {
        "name": name,
        "scale": process.scale,
        "start_seconds": process.start_timeout,
        "stop_signal": process.stop_signal,
        # gunicorn ends a request that takes longer than `web_timeout`.
        "stop_seconds": process.stop_timeout or settings.web_timeout + 5,
        "through_shell": _needs_shell(process.command),
    }


def _sockets(settings: Settings, roles: Container[str], release_id: str) -> list[Resource]:
    """Where a web process makes its socket, and nginx connects to it; nobody else comes that far.

    Of a folder like this, root's with the sticky bit and for all to write to, the kernel follows no symlink of the
    app's (`fs.protected_symlinks`): nginx may pass every app's door, and would follow it to another app's socket.
    """
    if "web" not in processes(settings, roles):
        return []
    folder = f"{Layout(settings.app).release(release_id)}/run"
    return [Directory(folder, mode=0o1777, owner="root", group="root")]


def environment(settings: Settings, release_id: str, wanted: Wanted) -> list[Resource]:
    """The environment of all processes, and the values in it that outlive the release."""
    variables = Environment(settings.app, release_id, wanted.variables)
    return [*([GeneratedValues(settings.app, wanted.generated)] if wanted.generated else []), variables]


def scaled(settings: Settings, roles: Container[str], release_id: str, wanted: Wanted) -> list[Resource]:
    """That the configuration of another release, once copied, has as many of each process as `fab scale` has said."""
    here = processes(settings, roles)
    scale = {name: number for name, number in wanted.variables.scale.items() if name in here}
    return [Scaled(settings.app, release_id, scale)] if scale else []


def release_command(settings: Settings, release_id: str) -> list[Resource]:
    """The `release` command of the Procfile: run once, as the app's user, before the release goes live.

    A framework's own checks come before it, while nothing has been touched that is not the release's.
    """
    if "release" not in settings.processes:
        return []
    limit = settings.release_timeout
    checks = [DeployCheck(settings.app, release_id, limit)] if settings.is_django else []
    label = f"release: {settings.processes['release'].command}"
    return [*checks, ReleaseCommand(settings.app, release_id, limit, label)]


def live(settings: Settings, roles: Container[str], release_id: str) -> Live:
    """That a release is the live one."""
    web = "web" in processes(settings, roles)
    check, port = (health_check(settings), _port(settings)) if web else (None, None)
    return Live(settings.app, release_id, check, port, settings.drain_timeout)


def _port(settings: Settings) -> int:
    """Where visitors come to nginx: by HTTP when it is a balancer that has the certificate."""
    return HTTPS_PORT if settings.tls.enabled and not settings.is_balanced else _HTTP_PORT


def settled(settings: Settings, release_id: str, old: str | None, retire: str | None = None) -> Settled:
    """That a release which is live is there to stay.

    :param old: id of the release that was live before; None when there was none.
    :param retire: why that one is marked bad; None when it is not.
    """
    return Settled(settings.app, release_id, old, settings.drain_timeout, retire)


def singletons(settings: Settings, release_id: str) -> Singletons:
    """That those processes of the live release run of which there must never be two."""
    return Singletons(settings.app, release_id)


def singletons_ended(settings: Settings, release_id: str) -> SingletonsEnded:
    """That none of other releases run any more."""
    return SingletonsEnded(settings.app, release_id)


def pruned(settings: Settings) -> Pruned:
    """That no more releases are kept than `keep_releases` says; for after a deploy that went live."""
    return Pruned(settings.app, settings.keep_releases)


def health_check(settings: Settings) -> HealthCheck:
    """How the app is asked whether it is well."""
    health = settings.health
    return HealthCheck(health.path, settings.health_host, tuple(health.status_ranges), health.timeout)


def _shell(name: str, command: str) -> str:
    """A process's command as the line of the start script.

    :raises SettingsError: the web process would not listen where nginx looks for it.
    """
    if name == "web":
        _check_web(command)
    if _needs_shell(command) or command.startswith("exec "):
        return command
    # `NAME=value program` is a shell's way to say it; exec would take the first word for the program.
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
        "gunicorn without --bind, which is told the socket, or another server with $SOCKET, "
        "such as `uvicorn app:app --uds $SOCKET`"
    )
