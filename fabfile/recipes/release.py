"""A release of the app: what it is made of, and its way to going live."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING

from ..agent.health import HTTPS_PORT, HealthCheck
from ..agent.layout import Layout, Record
from ..errors import SettingsError
from ..resources import Directory, Resource, Validated
from ..resources.django import DeployCheck
from ..resources.environment import Environment, GeneratedValues
from ..resources.live import Live
from ..resources.release import Pruned, ReleaseCode, ReleaseCopy, ReleaseRecord, ReleaseVenv
from ..resources.release_command import ReleaseCommand
from ..resources.settled import Settled
from ..templating import Template
from . import servers
from .roles import processes
from .static import static

if TYPE_CHECKING:
    from ..environment.variables import Wanted
    from ..settings import Settings

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
        configuration(settings, roles, record.id),
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
        *environment(settings, record.id, wanted),
        *static(settings, record.id),
    ]


def virtualenv(settings: Settings, release_id: str) -> Resource:
    """The virtualenv, with gunicorn in it when the web process wants it and the requirements do not bring it."""
    tools = servers.packages(settings.processes["web"])
    return ReleaseVenv(
        settings.app, release_id, settings.python, tuple(settings.requirements), tools, settings.build_timeout
    )


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
    commands = {name: _shell(name, command) for name, command in settings.processes.items()}
    gunicorn = {"workers": settings.workers, "threads": settings.threads, "web_timeout": settings.web_timeout}
    supervisor = {
        "group": layout.group(release_id),
        "processes": {name: _needs_shell(command) for name, command in here.items()},
        "logs": layout.logs,
        "stop_seconds": settings.web_timeout + 5,
    }
    files: list[Resource] = [
        Template(f"{folder}/gunicorn.conf.py", "gunicorn/gunicorn.conf.py.j2", {**common, **gunicorn}, mode=0o644),
        Template(f"{folder}/supervisor.conf", "supervisor/app.conf.j2", {**common, **supervisor}, mode=0o644),
        Template(f"{folder}/start", "app/start.sh.j2", {**common, "processes": commands, "home": layout.shared,
                  "static": layout.static(release_id) if settings.is_django else None}, mode=0o755),
    ]  # fmt: skip
    return Validated("configuration", (*files, *_sockets(settings, roles, release_id)))


def _sockets(settings: Settings, roles: Container[str], release_id: str) -> list[Resource]:
    """Where a web process makes its socket, and nginx connects to it; nobody else comes in."""
    if "web" not in processes(settings, roles):
        return []
    folder = f"{Layout(settings.app).release(release_id)}/run"
    return [Directory(folder, mode=0o750, owner=settings.app, group="www-data")]


def environment(settings: Settings, release_id: str, wanted: Wanted) -> list[Resource]:
    """The environment of all processes, and the values in it that outlive the release."""
    variables = Environment(settings.app, release_id, wanted.variables)
    return [*([GeneratedValues(settings.app, wanted.generated)] if wanted.generated else []), variables]


def release_command(settings: Settings, release_id: str) -> list[Resource]:
    """The `release` command of the Procfile: run once, as the app's user, before the release goes live.

    A framework's own checks come before it, while nothing has been touched that is not the release's.
    """
    if "release" not in settings.processes:
        return []
    limit = settings.release_timeout
    checks = [DeployCheck(settings.app, release_id, limit)] if settings.is_django else []
    label = f"release: {settings.processes['release']}"
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
