"""Where what runs: which processes and cron entries a host has, given the roles it plays, and which is a balancer."""

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
    """Whether a host of these roles is a balancer: one that the settings name as such, not any that plays all roles."""
    return roles is not ALL_ROLES and "lb" in roles and settings.is_balanced


def processes(settings: Settings, roles: Container[str]) -> dict[str, Process]:
    """The processes that run on a host of these roles.

    A process runs where the role of its own name is played; one that has no role of its name runs with `web`.
    `release` is no process: it runs once, before the switch.
    """
    return {
        name: process
        for name, process in settings.processes.items()
        if name != "release" and role_of(name, settings.roles) in roles and _runs_here(name, settings)
    }


def _runs_here(process: str, settings: Settings) -> bool:
    """Whether a process that may be a singleton is not left to another host."""
    return process not in settings.elsewhere or (process == "cron" and bool(cron_entries(settings)))


def cron_entries(settings: Settings) -> dict[str, CronEntry]:
    """The cron entries that a host runs: all, or those that every host does."""
    everything = "cron" not in settings.elsewhere
    return {name: entry for name, entry in settings.cron.items() if everything or entry.every_host}


def client_roles(settings: Settings) -> list[str]:
    """The roles whose hosts run processes of the app, and so talk to its database and cache."""
    return [role for role in settings.roles if role == "web" or role in settings.processes]
