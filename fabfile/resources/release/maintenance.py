"""Maintenance of a site, on and off without a reload of nginx."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

from ...contract.base import Change, PutBack, Resource, ResourceError
from ...hostkit.app.layout import Layout
from ...hostkit.app.maintenance import ALLOW, NOTICE, PAGE, allowed
from ...hostkit.linux import filesystem, folders
from ..found import FoundLink, FoundNothing

# The host itself, where a deploy checks the health of the new release.
_LOCAL = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Maintenance(Resource):
    """A page with status 503 for visitors, except some who see the app.

    It is a folder behind one symlink, which one rename(2) switches on. nginx looks for the page at each request, and
    takes `Retry-After` from the folder's name.

    :param page: HTML.
    :param allow: addresses that see the app, as nginx writes them.
    :param retry_after: seconds for the header `Retry-After`.
    :param who, since, message: for `fab status`.
    :param sites: folder of nginx's sites.
    :param base: parent of the app's folder.
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
                f"nginx's site {site} does not use {layout.maintenance}; run `fab provision`, and if you have your own "
                "templates/nginx/site.conf.j2, include nginx/maintenance.conf.j2 there as hostsmith's does"
            )

    def _is(self, folder: str) -> bool:
        """Whether a folder has the same maintenance, whoever began it."""
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
        folders.make(f"{folder}/{ALLOW}")
        for address in {*_LOCAL, *self.allow}:
            filesystem.write_atomic(f"{folder}/{ALLOW}/{address}", b"", mode=0o644)
        notice = {"since": self.since, "who": self.who, "message": self.message}
        filesystem.write_atomic(f"{folder}/{NOTICE}", json.dumps(notice).encode(), mode=0o644)
        filesystem.write_atomic(f"{folder}/{PAGE}", self.page.encode(), mode=0o644)
        filesystem.symlink_atomic(folder, layout.maintenance)


@dataclass(frozen=True)
class NoMaintenance(Resource):
    """The end of maintenance: visitors get the app."""

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
    """Remove unused folders during maintenance. After its end the last one stays, since a request may still need it."""
    if os.path.islink(layout.maintenance):
        kept = _folders(layout)
        for name in set(folders.names(kept)) - {os.path.basename(os.readlink(layout.maintenance))}:
            folders.remove(f"{kept}/{name}")
