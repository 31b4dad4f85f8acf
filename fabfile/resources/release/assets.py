"""Hashed static files of a release, available whichever release is live."""

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
    """The hashed static files of a release and of earlier ones, where nginx finds those that are not live.

    A page that was loaded before a switch finds its files after it; and while the hosts of a fleet switch, a page of
    the new release finds its files on a host with the previous one. They are removed with their release.

    :param folders: URL paths, each with a folder relative to the release.
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
        # Files of releases that are older than the folder are added now.
        new = [record.id for record in layout.records() if not assets.are_kept(layout, record.id)]

        def apply() -> None:
            self._require_folders(layout.release(self.release))
            with space.explained(layout.root):
                for release in new:
                    assets.keep(layout, release, self.folders)

        return Change("kept", apply, lambda: assets.drop(layout, self.release))

    def _require_folders(self, release: str) -> None:
        """Refuse links: otherwise the code would decide which files of the host nginx serves."""
        for folder in self.folders.values():
            if os.path.realpath(f"{release}/{folder}") != os.path.normpath(f"{os.path.realpath(release)}/{folder}"):
                raise ResourceError(
                    f"{folder}: found a symlink, expected a folder: nginx serves nothing through one; name the folder "
                    "itself in fabric.yaml, under static"
                )
