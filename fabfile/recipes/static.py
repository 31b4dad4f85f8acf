"""Static files and uploads, which nginx serves by itself."""

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
    """List the static folders of a release by URL path, relative to the release."""
    collected = {_STATIC_URL: "static"} if settings.is_django else {}
    return {**collected, **{prefix: f"code/{folder}" for prefix, folder in settings.static.items()}}


def uploads(settings: Settings) -> dict[str, str]:
    """List the folders of uploads by URL path."""
    if not settings.is_django or _MEDIA_URL in settings.static:
        return {}
    return {_MEDIA_URL: Layout(settings.app).media}


def static(settings: Settings, release_id: str) -> list[Resource]:
    """Prepare the static files of a release."""
    served = folders(settings)
    collects = settings.is_django and _STATIC_URL not in settings.static
    return [
        *([Collected(settings.app, release_id, settings.build_timeout)] if collects else []),
        *([Assets(settings.app, release_id, served)] if served else []),
    ]
