"""Backups on the controller: archives written, encrypted, read and restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import modules

if TYPE_CHECKING:
    from . import locations, reader, restore, writer

__all__ = ["locations", "reader", "restore", "writer"]

if not TYPE_CHECKING:
    __getattr__ = modules(__name__, __all__)
