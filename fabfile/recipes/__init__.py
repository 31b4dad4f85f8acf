"""Recipes: pure functions from settings to resources, one module per thing that a host runs.

Each can be called, extended and replaced on its own; `provision` and `release` put them together.
"""

from __future__ import annotations

from .release import release
from .roles import provision

__all__ = ["provision", "release"]
