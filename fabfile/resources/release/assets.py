"""That the hashed static files of a release can be had whichever release is live."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.app import assets
from ...hostkit.app.layout import Layout
from ...hostkit.linux import space


@dataclass(frozen=True)
class Assets(Resource):
    """The hashed static files of a release, and of those before it, kept where nginx looks for what is not live.

    A page that was loaded before a switch finds its files after it; and while the hosts of a fleet switch, a page of
    the new release finds them on a host that has the old one. They go with their release.

    :param folders: URL paths, each with a folder that is relative to the release.
    """

    app: str
    release: str
    folders: Mapping[str, str]

    def describe(self) -> str:
        return "static files"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        if assets.are_kept(layout, self.release):
            return None
        # Releases from before there was such a folder have theirs taken in now.
        new = [record.id for record in layout.records() if not assets.are_kept(layout, record.id)]

        def apply() -> None:
            self._require_folders(layout.release(self.release))
            with space.told(layout.root):
                for release in new:
                    assets.keep(layout, release, self.folders)

        return Change("kept", apply, lambda: assets.drop(layout, self.release))

    def _require_folders(self, release: str) -> None:
        """Nothing that nginx serves is a link itself: whoever writes the code would decide what of the host that is."""
        for folder in self.folders.values():
            if os.path.realpath(f"{release}/{folder}") != os.path.normpath(f"{os.path.realpath(release)}/{folder}"):
                raise ResourceError(
                    f"{folder}: found a symlink, expected a folder: nginx serves nothing through one; name the folder "
                    "itself in fabric.yaml, under static"
                )
