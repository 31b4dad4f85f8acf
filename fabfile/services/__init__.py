"""Services that an app can use, by name: `services: [postgres, redis]`.

A project adds one with a subclass of `AppService` that it passes to `register`.
"""

from __future__ import annotations

from ..resources.services.password import KeptFile
from ..resources.services.port import Port, PortGuard
from ..settings.services import ServiceOptions
from .base import Access, AppService, Argv, Restore
from .registry import known, register

# Its name in version 0.1.0.
Service = AppService

__all__ = [
    "Access",
    "Argv",
    "KeptFile",
    "Port",
    "PortGuard",
    "Restore",
    "AppService",
    "Service",
    "ServiceOptions",
    "known",
    "register",
]
