"""What a host keeps of the maintenance that its site is in: one folder behind one symlink."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from ..linux import filesystem
from .layout import Layout

PAGE, ALLOW, NOTICE = "page.html", "allow", "notice.json"


def notice(layout: Layout) -> dict[str, Any] | None:
    """Since when, by whom and with which message the site is in maintenance; None when it is not."""
    text = filesystem.read(f"{layout.maintenance}/{NOTICE}")
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {}


def allowed(folder: str) -> list[str]:
    """The addresses that see the app all the same."""
    return filesystem.names(f"{folder}/{ALLOW}")
