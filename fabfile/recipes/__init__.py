"""Recipes: pure functions from settings to resources, one module per subject.

Each can be called, extended and replaced by itself; `provision` and `release.prepared` combine them. They are loaded
on first use.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from .._lazy import modules

if TYPE_CHECKING:
    from ..resources import Resource
    from ..settings import Settings
    from . import (
        app,
        backup,
        deployers,
        firewall,
        haproxy,
        hardening,
        maintenance,
        nginx,
        processes,
        python,
        release,
        servers,
        services,
        static,
        supervisor,
        system,
        tls,
    )

__all__ = [
    "app",
    "backup",
    "deployers",
    "firewall",
    "haproxy",
    "hardening",
    "maintenance",
    "nginx",
    "processes",
    "provision",
    "python",
    "release",
    "servers",
    "services",
    "static",
    "supervisor",
    "system",
    "tls",
]

if not TYPE_CHECKING:
    __getattr__ = modules(__name__, __all__)


def provision(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Return everything that a host of these roles needs before the app can be deployed to it.

    :raises SettingsError: the roles of the host, or of the fleet, contradict each other.
    """
    from .provisioning import all_of

    return all_of(settings, roles)
