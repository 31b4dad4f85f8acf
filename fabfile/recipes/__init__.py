"""Recipes: pure functions from settings to resources, one module per thing that a host runs.

Each can be called, extended and replaced on its own; `provision` and `release.prepared` put them together. They are
loaded on first use.
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
        haproxy,
        hardening,
        maintenance,
        nginx,
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
    "haproxy",
    "hardening",
    "maintenance",
    "nginx",
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
    """All that a host of these roles needs before the app can be deployed to it.

    :raises SettingsError: the roles of the host, or of the fleet, do not go together.
    """
    from .provisioning import all_of

    return all_of(settings, roles)
