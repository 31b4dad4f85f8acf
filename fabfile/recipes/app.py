"""An app's user, folders, logs and deploy key."""

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
    """Create the app's user, who owns only its data, and the folders of its releases."""
    layout = Layout(settings.app)
    return [
        OwnUser(
            settings.app,
            f"app {settings.app}",
            layout.shared,
            evidence=layout.releases,
            setting=f"app: {settings.app[:24]}-site",
        ),
        # Only the app, and nginx for the files below `current`, can enter its root folder.
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
    """Create the app's shared folder, and in it the folder of uploads, which nginx can reach."""
    layout, app = Layout(settings.app), settings.app
    if not uploads(settings):
        return [Directory(layout.shared, mode=0o750, owner=app, group=app)]
    return [
        Directory(layout.shared, mode=0o750, owner=app, group=app, passable=("www-data",)),
        Directory(layout.media, mode=0o755, owner=app, group=app),
    ]


def deploy_key(settings: Settings) -> list[Resource]:
    """Create the host's key to a repository over SSH; other sources need none."""
    if settings.source_is_local or not re.match(r"ssh://|[^/:]+:(?!//)", settings.source):
        return []
    return [DeployKey(Layout(settings.app).ssh, comment=settings.app)]
