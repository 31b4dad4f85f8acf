"""A release of the app: its parts, and the steps to make it live."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from ..hostkit.app.health import HTTPS_PORT, HealthCheck
from ..hostkit.app.layout import Record
from ..inventory.processes import processes
from ..resources import Resource, Validated
from ..resources.release.django import DeployCheck
from ..resources.release.environment import Environment, GeneratedValues
from ..resources.release.live import Live
from ..resources.release.release import Pruned, ReleaseCode, ReleaseCopy, ReleaseRecord, ReleaseVenv
from ..resources.release.release_command import ReleaseCommand
from ..resources.release.scaled import Scaled
from ..resources.release.settled import Settled
from ..resources.release.singletons import Singletons, SingletonsEnded
from . import servers
from .processes import configuration as configuration
from .processes import sockets
from .static import static

if TYPE_CHECKING:
    from ..environment.variables import Wanted
    from ..settings import Settings

_HTTP_PORT = 80


def prepared(
    settings: Settings, roles: Container[str], record: Record, code: ReleaseCode, wanted: Wanted
) -> list[Resource]:
    """Prepare a new release on a host, up to its start.

    :param record: description of the release.
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
    """Prepare a copy of the live release with new variables, up to its start.

    :param live: id of the live release.
    """
    return [
        ReleaseRecord(settings.app, record),
        ReleaseCopy(settings.app, record.id, live),
        virtualenv(settings, record.id),
        Validated("sockets", tuple(sockets(settings, roles, record.id))),
        *scaled(settings, roles, record.id, wanted),
        *environment(settings, record.id, wanted),
        *static(settings, record.id),
    ]


def virtualenv(settings: Settings, release_id: str) -> Resource:
    """Build the virtualenv, with gunicorn if the web process needs it and the requirements lack it."""
    tools = servers.packages(settings.processes["web"].command)
    files = None if settings.requirements is None else tuple(settings.requirements)
    return ReleaseVenv(settings.app, release_id, settings.python, files, tools, settings.build_timeout)


def environment(settings: Settings, release_id: str, wanted: Wanted) -> list[Resource]:
    """Write the environment of all processes, and keep generated values for later releases."""
    variables = Environment(settings.app, release_id, wanted.variables)
    return [*([GeneratedValues(settings.app, wanted.generated)] if wanted.generated else []), variables]


def scaled(settings: Settings, roles: Container[str], release_id: str, wanted: Wanted) -> list[Resource]:
    """Set the numbers of `fab scale` in a configuration that was copied from another release."""
    here = processes(settings, roles)
    scale = {name: number for name, number in wanted.variables.scale.items() if name in here}
    return [Scaled(settings.app, release_id, scale)] if scale else []


def release_command(settings: Settings, release_id: str) -> list[Resource]:
    """Run the `release` command of the Procfile, once, as the app's user, before the release goes live.

    The framework's checks run before it, while only the release's own files have changed.
    """
    if "release" not in settings.processes:
        return []
    limit = settings.release_timeout
    checks = [DeployCheck(settings.app, release_id, limit)] if settings.is_django else []
    label = f"release: {settings.processes['release'].command}"
    return [*checks, ReleaseCommand(settings.app, release_id, limit, label)]


def live(settings: Settings, roles: Container[str], release_id: str) -> Live:
    """Make a release the live one."""
    web = "web" in processes(settings, roles)
    check, port = (health_check(settings), _port(settings)) if web else (None, None)
    return Live(settings.app, release_id, check, port, settings.drain_timeout)


def _port(settings: Settings) -> int:
    """Choose the port of nginx for visitors: HTTP behind a balancer, which has the certificate."""
    return HTTPS_PORT if settings.tls.enabled and not settings.is_balanced else _HTTP_PORT


def settled(settings: Settings, release_id: str, old: str | None, retire: str | None = None) -> Settled:
    """Settle a live release: stop the previous one.

    :param old: id of the previous release; None without one.
    :param retire: reason to mark the previous release bad; None to keep it.
    """
    return Settled(settings.app, release_id, old, settings.drain_timeout, retire)


def singletons(settings: Settings, release_id: str) -> Singletons:
    """Run the singletons of the live release."""
    return Singletons(settings.app, release_id)


def singletons_ended(settings: Settings, release_id: str) -> SingletonsEnded:
    """Stop the singletons of other releases."""
    return SingletonsEnded(settings.app, release_id)


def pruned(settings: Settings) -> Pruned:
    """Delete releases beyond `keep_releases`, after a deploy has gone live."""
    return Pruned(settings.app, settings.keep_releases)


def health_check(settings: Settings) -> HealthCheck:
    """Return the health check of the app."""
    health = settings.health
    return HealthCheck(health.path, settings.health_host, tuple(health.status_ranges), health.timeout)
