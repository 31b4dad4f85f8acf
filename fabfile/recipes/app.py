"""An app's place on a host: its user, its folders, its logs, and the key to its repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..hostkit.app.layout import Layout
from ..rendering.template import Template
from ..resources import Directory, Resource
from ..resources.deploy_key import DeployKey
from ..resources.own_user import OwnUser
from .static import uploads

if TYPE_CHECKING:
    from ..settings import Settings


def app(settings: Settings) -> list[Resource]:
    """The app's user, who owns nothing but its data, and the folders that its releases go into."""
    layout = Layout(settings.app)
    return [
        OwnUser(
            settings.app,
            f"app {settings.app}",
            layout.shared,
            evidence=layout.releases,
            setting=f"app: {settings.app[:24]}-site",
        ),
        # The one door to all that is the app's: nobody else comes in, but nginx to what lies behind `current`.
        Directory(layout.root, mode=0o750, owner="root", group=settings.app, passable=("www-data",)),
        Directory(layout.releases, mode=0o755, owner="root", group="root"),
        Directory(layout.venvs, mode=0o755, owner="root", group="root"),
        *shared(settings),
        Directory(layout.ssh, mode=0o700, owner="root", group="root"),
        Directory(layout.logs, mode=0o750, owner="root", group="adm"),
        Template(
            f"/etc/logrotate.d/{settings.app}",
            "app/logrotate.j2",
            {"app": settings.app, "logs": layout.logs},
            mode=0o644,
        ),  # fmt: skip
        *deploy_key(settings),
    ]


def shared(settings: Settings) -> list[Resource]:
    """The app's own folder, and in it what visitors upload, to which nginx passes through."""
    layout, app = Layout(settings.app), settings.app
    if not uploads(settings):
        return [Directory(layout.shared, mode=0o750, owner=app, group=app)]
    return [
        Directory(layout.shared, mode=0o750, owner=app, group=app, passable=("www-data",)),
        Directory(layout.media, mode=0o755, owner=app, group=app),
    ]


def deploy_key(settings: Settings) -> list[Resource]:
    """A key for the host to read a repository over SSH with; other sources need none."""
    if settings.source_is_local or not re.match(r"ssh://|[^/:]+:(?!//)", settings.source):
        return []
    return [DeployKey(Layout(settings.app).ssh, comment=settings.app)]
