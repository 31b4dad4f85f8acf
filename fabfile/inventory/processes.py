"""Processes and cron entries of a host by its roles."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from ..settings.procfile import role_of
from .roles import ALL_ROLES

if TYPE_CHECKING:
    from ..settings import Settings
    from ..settings.cron import CronEntry
    from ..settings.processes import Process


def balances(settings: Settings, roles: Container[str]) -> bool:
    """Whether a host of these roles is a balancer by the settings, not merely a host that has every role."""
    return roles is not ALL_ROLES and "lb" in roles and settings.is_balanced


def processes(settings: Settings, roles: Container[str]) -> dict[str, Process]:
    """List the processes that run on a host of these roles.

    A process runs on the hosts of the role with its name; without such a role, on those of `web`. `release` is not
    among them: it runs once, before the switch.
    """
    return {
        name: process
        for name, process in settings.processes.items()
        if name != "release" and role_of(name, settings.roles) in roles and _runs_here(name, settings)
    }


def _runs_here(process: str, settings: Settings) -> bool:
    """Whether a process, perhaps a singleton, runs here and not on another host."""
    return process not in settings.elsewhere or (process == "cron" and bool(cron_entries(settings)))


def cron_entries(settings: Settings) -> dict[str, CronEntry]:
    """List the cron entries of a host: all, or those for every host."""
    everything = "cron" not in settings.elsewhere
    return {name: entry for name, entry in settings.cron.items() if everything or entry.every_host}


def client_roles(settings: Settings) -> list[str]:
    """List the roles whose hosts run processes of the app, and so use its database and cache."""
    return [role for role in settings.roles if role == "web" or role in settings.processes]
