"""Fabric's configuration and the Procfile as validated, typed settings.

Importing this package is cheap: pydantic and the schema are loaded with the first settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .procfile import load_procfile

if TYPE_CHECKING:
    from .project import Settings as Settings

__all__ = ["Settings", "load_procfile"]


def __getattr__(name: str) -> Any:
    if name != "Settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .project import Settings

    return Settings
