"""Maintenance state of a site on its host: one folder behind one symlink."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from ..linux import filesystem, folders
from .layout import Layout

PAGE, ALLOW, NOTICE = "page.html", "allow", "notice.json"


def notice(layout: Layout) -> dict[str, Any] | None:
    """Read the start, author and message of the maintenance; None when the site is not in maintenance."""
    text = filesystem.read(f"{layout.maintenance}/{NOTICE}")
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {}


def allowed(folder: str) -> list[str]:
    """List the addresses that still reach the app."""
    return folders.names(f"{folder}/{ALLOW}")
