"""Settings of the health check."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from . import values as kind
from .kinds import Model, OneOrList


class Health(Model):
    """Health check of a new release."""

    path: kind.UrlPath = Field("/", description="Page to request. Redirects are not followed.")
    host: kind.HostName = Field(
        None, description="`Host` header of the request. Default: the first domain, else `localhost`."
    )
    timeout: kind.Positive = Field(
        60, description="Seconds a new release gets to become healthy; after that the deploy fails."
    )
    statuses: Annotated[
        list[kind.StatusRange],
        Field(min_length=1),
        OneOrList("a list of HTTP statuses and ranges, such as [200-299]"),
    ] = Field(
        default_factory=lambda: ["200-299"],
        description="HTTP statuses that mean healthy. Add `301` if the page redirects, for instance to HTTPS.",
    )

    @property
    def status_ranges(self) -> list[tuple[int, int]]:
        """First and last status of each healthy range."""
        return [(int(status[:3]), int(status[-3:])) for status in self.statuses]
