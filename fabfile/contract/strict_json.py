"""JSON as one reads it of somebody who may mean harm."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text; each name in it once, no number that is none, and no deeper than Python can go.

    :raises ValueError: it is none.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is in it twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
