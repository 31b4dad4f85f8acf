"""Backups as they are made and put back from this machine: which parts an app has, and how they are encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazily import modules

if TYPE_CHECKING:
    from . import making, parts, places, reading, restoring

__all__ = ["making", "parts", "places", "reading", "restoring"]

if not TYPE_CHECKING:
    __getattr__ = modules(__name__, __all__)
