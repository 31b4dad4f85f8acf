"""A site in maintenance, and no longer so: nginx looks for the page at each request, and neither needs a reload."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

from ...contract.base import Change, PutBack, Resource, ResourceError
from ...hostkit.app.layout import Layout
from ...hostkit.app.maintenance import ALLOW, NOTICE, PAGE, allowed
from ...hostkit.linux import filesystem
from ..found import FoundLink, FoundNothing

# The host itself: by this way a deploy asks the new release for its health page.
_LOCAL = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Maintenance(Resource):
    """Visitors get a page with status 503, except some who see the app.

    All of it is a folder behind one symlink, so that one rename(2) is the beginning. nginx learns the seconds of
    `Retry-After` from the folder's name.

    :param page: HTML.
    :param allow: addresses that see the app, as nginx writes them.
    :param retry_after: seconds after which visitors are told to come again.
    :param who, since, message: for `fab status`.
    :param sites: folder of nginx's sites.
    :param base: folder that the app's own is in.
    """

    app: str
    page: str = field(repr=False)
    allow: tuple[str, ...]
    retry_after: int
    who: str
    since: str
    message: str
    sites: str = "/etc/nginx/sites-enabled"
    base: str = "/srv"

    def describe(self) -> str:
        return "maintenance"

    def check(self) -> Change | None:
        layout = Layout(self.app, self.base)
        self._require_site(layout)
        found = _found(layout.maintenance)
        if isinstance(found, FoundLink) and self._is(found.target):
            return None
        summary = "changed" if isinstance(found, FoundLink) else "on"
        return Change(summary, lambda: self._begin(layout), found, confirm=lambda: _tidy(layout), durable=(found,))

    def _require_site(self, layout: Layout) -> None:
        site = f"{self.sites}/{self.app}"
        if f"{layout.maintenance}/".encode() not in (filesystem.read(site) or b""):
            raise ResourceError(
                f"nginx's site {site} does not look for {layout.maintenance}; run `fab provision`, and let a "
                "templates/nginx/site.conf.j2 of your own include nginx/maintenance.conf.j2 as hostsmith's does"
            )

    def _is(self, folder: str) -> bool:
        """Whether the maintenance of a folder is this one; whoever began it, and when, stays."""
        return (
            folder.endswith(self._suffix)
            and filesystem.read(f"{folder}/{PAGE}") == self.page.encode()
            and allowed(folder) == sorted({*_LOCAL, *self.allow})
        )

    @property
    def _suffix(self) -> str:
        return f".retry-{self.retry_after}"

    def _begin(self, layout: Layout) -> None:
        folder = f"{_folders(layout)}/{time.time_ns()}{self._suffix}"
        filesystem.make_folder(f"{folder}/{ALLOW}")
        for address in {*_LOCAL, *self.allow}:
            filesystem.write_atomic(f"{folder}/{ALLOW}/{address}", b"", mode=0o644)
        notice = {"since": self.since, "who": self.who, "message": self.message}
        filesystem.write_atomic(f"{folder}/{NOTICE}", json.dumps(notice).encode(), mode=0o644)
        filesystem.write_atomic(f"{folder}/{PAGE}", self.page.encode(), mode=0o644)
        filesystem.symlink_atomic(folder, layout.maintenance)


@dataclass(frozen=True)
class NoMaintenance(Resource):
    """Visitors get the app."""

    app: str
    base: str = "/srv"

    def describe(self) -> str:
        return "maintenance"

    def check(self) -> Change | None:
        layout = Layout(self.app, self.base)
        found = _found(layout.maintenance)
        if not isinstance(found, FoundLink):
            return None
        return Change("off", FoundNothing(layout.maintenance), found, confirm=lambda: _tidy(layout), durable=(found,))


def _found(link: str) -> PutBack:
    return FoundLink(link, os.readlink(link)) if os.path.islink(link) else FoundNothing(link)


def _folders(layout: Layout) -> str:
    return f"{layout.maintenance}.d"


def _tidy(layout: Layout) -> None:
    """Remove what is not in use. A request may still be about to get the page of one that has just ended: it stays."""
    if os.path.islink(layout.maintenance):
        folders = _folders(layout)
        for name in set(filesystem.names(folders)) - {os.path.basename(os.readlink(layout.maintenance))}:
            filesystem.remove_tree(f"{folders}/{name}")
