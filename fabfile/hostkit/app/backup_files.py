"""Archives that a host made of an app, in their folder."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from ...contract.base import ResourceError
from ..linux import folders
from .archive import Archive

_NAME = r"-[0-9]{8}-[0-9]{6}\.tar"


def unit(app: str) -> str:
    """Return the name of the systemd service that makes them."""
    return f"hostsmith-backup-{app}.service"


def names(app: str, folder: str) -> list[str]:
    """List the names of an app's archives in a folder, oldest first."""
    return [name for name in folders.names(folder) if re.fullmatch(re.escape(app) + _NAME, name)]


def unfinished(app: str, folder: str) -> list[str]:
    """List incomplete archives: being written, or left by an interrupted backup."""
    return [name for name in folders.names(folder) if re.fullmatch(rf"\.{re.escape(app)}{_NAME}\..*\.part", name)]


def listed(app: str, folder: str) -> list[dict[str, Any]]:
    """Describe the archives of an app in a folder, oldest first; an unreadable one has only name and size."""
    found = []
    if names(app, folder):
        folders.require_trusted(folder)
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
