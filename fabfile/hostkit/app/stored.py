"""The archives that a host has made of an app, as they lie in their folder."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from ...contract.base import ResourceError
from ..linux import filesystem
from .archive import Archive

_NAME = r"-[0-9]{8}-[0-9]{6}\.tar"


def unit(app: str) -> str:
    """The systemd service that makes them."""
    return f"hostsmith-backup-{app}.service"


def names(app: str, folder: str) -> list[str]:
    """The names of an app's archives in a folder, oldest first."""
    return [name for name in filesystem.names(folder) if re.fullmatch(re.escape(app) + _NAME, name)]


def unfinished(app: str, folder: str) -> list[str]:
    """What is being written, or was left by a backup that was cut off."""
    return [name for name in filesystem.names(folder) if re.fullmatch(rf"\.{re.escape(app)}{_NAME}\..*\.part", name)]


def listed(app: str, folder: str) -> list[dict[str, Any]]:
    """The archives of an app in a folder, oldest first; of one that cannot be read there are only name and size."""
    found = []
    if names(app, folder):
        filesystem.require_trusted(folder)
    for name in names(app, folder):
        manifest: dict[str, Any] = {}
        with contextlib.suppress(ResourceError):
            manifest = Archive(f"{folder}/{name}").manifest()
        found.append(
            {
                "name": name,
                "size": os.path.getsize(f"{folder}/{name}"),
                "created": manifest.get("created", ""),
                "release": manifest.get("release", ""),
                "parts": [part["name"] for part in manifest.get("parts", [])],
            }
        )
    return found
