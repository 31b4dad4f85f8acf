"""The settings of the balancer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from . import values as kind
from .kinds import Number
from .model import Model


class Balancer(Model):
    """How the hosts of the role `lb` share the requests out among those of the role `web`."""

    algorithm: kind.Algorithm = Field(
        "roundrobin",
        description="Who gets the next request: the hosts in turn, or with `leastconn` the one with the fewest that "
        "it still works on, for requests that take long. Either way by the hosts' `weight`.",
    )
    drain: kind.Flag = Field(
        False,
        description="Whether a deploy has each host finish its requests, without new ones, before it switches. The "
        "switch drops none without it; this keeps visitors from a host that is busy with the start of a release.",
    )
    rate_limit: Annotated[Annotated[int, Field(ge=1)] | None, Number("a whole number, 1 or more")] = Field(
        None,
        description="Requests that one client address may make in 10 seconds; what is beyond gets status 429. An IPv6 "
        "address counts as its /64. Default: no limit.",
    )
