"""Scheduled backups on a host: the installed agent and a systemd timer."""

from __future__ import annotations

import json
import os
from collections.abc import Container
from typing import TYPE_CHECKING

from .._version import __version__
from ..connection import pack
from ..hostkit.app import backup_files
from ..rendering.template import Template
from ..resources import Absent, Directory, File, Resource, Restart, Service
from ..resources.release.backed_up import BackedUp
from ..resources.release.backed_up import plan as plan_of
from .deployers import installed_agent

if TYPE_CHECKING:
    from ..settings import Settings


def folder(settings: Settings) -> str:
    """Return the folder of the archives on a host."""
    return settings.backup.to or f"/var/backups/{settings.app}"


def backed_up(settings: Settings) -> BackedUp:
    """Take a backup now."""
    return BackedUp(settings.app)


def backups(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Set up scheduled backups on a host with a part of the app's data, if the settings have any."""
    if not settings.backup.is_on_host:
        return []
    from ..inventory.parts import parts_on

    parts, environment = parts_on(settings, roles)
    if not (parts or environment):
        return []
    plan, unit = plan_of(settings.app), backup_files.unit(settings.app)
    data = {
        "app": settings.app,
        "to": folder(settings),
        "keep": settings.backup.keep,
        "environment": environment,
        "parts": [[part.name, part.dump] for part in parts],
        "hostsmith": __version__,
    }
    variables = {"app": settings.app, "command": f"{pack.BACKUP} {plan}"}
    return [
        *installed_agent(),
        File(pack.BACKUP, pack.BACKUP_SCRIPT, mode=0o755, owner="root", group="root"),
        Directory(os.path.dirname(plan), mode=0o755, owner="root", group="root"),
        File(plan, json.dumps(data, indent=1) + "\n", mode=0o600, owner="root", group="root"),
        Directory(folder(settings), mode=0o700, owner="root", group="root"),
        Template(f"/etc/systemd/system/{unit}", "backup/backup.service.j2", variables, mode=0o644),
        *_timer(settings, unit),
    ]


def _timer(settings: Settings, unit: str) -> list[Resource]:
    timer = f"{unit.removesuffix('.service')}.timer"
    path = f"/etc/systemd/system/{timer}"
    if settings.backup.calendar is None:
        return [Service(timer, running=False, enabled=False), Absent(path)]
    variables = {"app": settings.app, "calendar": settings.backup.calendar}
    return [
        Template(path, "backup/backup.timer.j2", variables, mode=0o644, notify=Restart(timer)),
        Service(timer),
    ]
