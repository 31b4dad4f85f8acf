"""The settings of the health check."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from . import values as kind
from .kinds import OneOrList
from .model import Model


class Health(Model):
    """How a new release is asked whether it is well."""

    path: kind.UrlPath = Field("/", description="Page of the app that is asked. Redirects are not followed.")
    host: kind.HostName = Field(
        None, description="`Host` header of the request. Default: the first domain, else `localhost`."
    )
    timeout: kind.Positive = Field(
        60, description="Seconds that a new release has to become healthy before it is given up."
    )
    statuses: Annotated[
        list[kind.StatusRange],
        Field(min_length=1),
        OneOrList("a list of HTTP statuses and ranges, such as [200-299]"),
    ] = Field(
        default_factory=lambda: ["200-299"],
        description="HTTP statuses that mean healthy. Add `301` when the page redirects, say to HTTPS.",
    )

    @property
    def status_ranges(self) -> list[tuple[int, int]]:
        """First and last status of each range that means healthy."""
        return [(int(status[:3]), int(status[-3:])) for status in self.statuses]
