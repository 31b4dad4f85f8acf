"""Files that nginx serves by itself: where they are, and what a release does for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..hostkit.app.layout import Layout
from ..resources import Resource
from ..resources.release.assets import Assets
from ..resources.release.django import Collected

if TYPE_CHECKING:
    from ..settings import Settings

_STATIC_URL, _MEDIA_URL = "/static/", "/media/"


def folders(settings: Settings) -> dict[str, str]:
    """The folders of a release whose files nginx serves, by URL path; relative to the release."""
    collected = {_STATIC_URL: "static"} if settings.is_django else {}
    return {**collected, **{prefix: f"code/{folder}" for prefix, folder in settings.static.items()}}


def uploads(settings: Settings) -> dict[str, str]:
    """The folders of what visitors upload, by URL path."""
    if not settings.is_django or _MEDIA_URL in settings.static:
        return {}
    return {_MEDIA_URL: Layout(settings.app).media}


def static(settings: Settings, release_id: str) -> list[Resource]:
    """The static files of a release, ready to be served."""
    served = folders(settings)
    collects = settings.is_django and _STATIC_URL not in settings.static
    return [
        *([Collected(settings.app, release_id, settings.build_timeout)] if collects else []),
        *([Assets(settings.app, release_id, served)] if served else []),
    ]
