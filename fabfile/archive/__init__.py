"""Backups as they are made and put back from this machine: which parts an app has, and how they are encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import modules

if TYPE_CHECKING:
    from . import making, places, reading, restoring

__all__ = ["making", "places", "reading", "restoring"]

if not TYPE_CHECKING:
    __getattr__ = modules(__name__, __all__)
