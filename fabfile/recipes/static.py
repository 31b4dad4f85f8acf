"""Files that nginx serves by itself: where they are, and what a release does for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resources import Resource
from ..resources.assets import Assets

if TYPE_CHECKING:
    from ..settings import Settings


def folders(settings: Settings) -> dict[str, str]:
    """The folders of a release whose files nginx serves, by URL path; relative to the release."""
    return {prefix: f"code/{folder}" for prefix, folder in settings.static.items()}


def static(settings: Settings, release_id: str) -> list[Resource]:
    """The static files of a release, ready to be served."""
    served = folders(settings)
    return [Assets(settings.app, release_id, served)] if served else []
