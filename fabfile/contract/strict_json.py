"""Strict reader of untrusted JSON."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Parse a JSON text; refuse duplicate names, NaN, infinities, and nesting that is too deep for Python.

    :raises ValueError: it is not valid.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a duplicate name")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")
