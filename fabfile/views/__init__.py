"""Views of a fleet for tasks that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import modules

if TYPE_CHECKING:
    from . import changes, commits, doctor, examination, listing, overview

__all__ = ["changes", "commits", "doctor", "examination", "listing", "overview"]

if not TYPE_CHECKING:
    __getattr__ = modules(__name__, __all__)
