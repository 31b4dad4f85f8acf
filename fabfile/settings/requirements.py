"""The files in the source that say what is installed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from . import values as kind
from .kinds import OneOrList

# None for what is there.
Requirements = (
    Annotated[
        list[kind.SourcePath],
        AfterValidator(kind.once_each("each file once")),
        OneOrList("a requirements file or lock in the source, or a list of them"),
    ]
    | None
)
