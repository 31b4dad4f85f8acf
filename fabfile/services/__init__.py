"""The services that an app can ask for by name: `services: [postgres, redis]`.

A project adds one by writing a `Service` in a module of its own and giving it to `register`.
"""

from __future__ import annotations

from ..resources.services.password import KeptFile
from ..resources.services.port import Port, PortGuard
from ..settings.services import ServiceOptions
from .base import Access, Argv, Restore, Service
from .registry import known, register

__all__ = [
    "Access",
    "Argv",
    "KeptFile",
    "Port",
    "PortGuard",
    "Restore",
    "Service",
    "ServiceOptions",
    "known",
    "register",
]
