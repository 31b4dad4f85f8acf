"""Settings of the balancer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from . import values as kind
from .kinds import Model, Number


class Balancer(Model):
    """How the hosts of the role `lb` distribute requests over the hosts of the role `web`."""

    algorithm: kind.Algorithm = Field(
        "roundrobin",
        description="How the next host is chosen: in turn, or with `leastconn` the one with the fewest open "
        "connections, for requests that take long. Both respect the `weight` of a host.",
    )
    drain: kind.Flag = Field(
        False,
        description="Take each host out of the balancer and wait for its requests before it switches. The switch drops "
        "no request without this; it keeps visitors away from a host that is busy starting a release.",
    )
    rate_limit: Annotated[Annotated[int, Field(ge=1)] | None, Number("a whole number, 1 or more")] = Field(
        None,
        description="Requests a client address may make in 10 seconds; further ones are answered with status 429. An "
        "IPv6 address counts as its /64. Default: no limit.",
    )
