"""Predicates that validate untrusted data; anything unknown is rejected."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]

_LARGEST = 1_000_000.0
_MANY = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")


def text(pattern: str) -> Check:
    """Accept a text that matches as a whole and is valid UTF-8."""
    compiled = re.compile(pattern)
    return lambda value: type(value) is str and compiled.fullmatch(value) is not None and not _SURROGATE.search(value)


def argument(value: Any) -> bool:
    """Accept a program's argument; undecodable bytes are surrogates."""
    return type(value) is str and re.search("[\0\ud800-\udc7f\udd00-\udfff]", value) is None


def number() -> Check:
    """Accept a plausible number of seconds."""
    return lambda value: type(value) in (int, float) and 0 <= value <= _LARGEST


def whole(least: int, most: int) -> Check:
    """Accept an integer in a range."""
    return lambda value: type(value) is int and least <= value <= most


def exactly(*values: Any) -> Check:
    """Accept one of these values, of the same type."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def all_of(kind: type[list[Any]] | type[tuple[Any, ...]], check: Check) -> Check:
    """Accept a list or a tuple whose items all pass."""
    return lambda value: type(value) is kind and all(check(each) for each in value)


def pair(check: Check) -> Check:
    """Accept a tuple of two items that pass."""
    return lambda value: type(value) is tuple and len(value) == 2 and all(check(each) for each in value)


def mapping(keys: Check, values: Check) -> Check:
    """Accept a mapping whose keys and values all pass."""
    return lambda value: type(value) is dict and all(keys(key) and values(each) for key, each in value.items())


def record(**fields: Check) -> Check:
    """Accept a mapping with these keys and no others; a missing one counts as None."""
    return lambda value: (
        type(value) is dict and value.keys() <= fields.keys() and all(fields[key](value.get(key)) for key in fields)
    )


def few(check: Check) -> Check:
    """Accept a list, tuple or mapping that passes and has at most 1000 items."""
    return lambda value: check(value) and len(value) <= _MANY


def optional(check: Check) -> Check:
    """Accept None, or a value that passes."""
    return lambda value: value is None or check(value)


def anything(value: Any) -> bool:
    """Accept everything."""
    return True


def size(value: Any) -> bool:
    """Accept a number of bytes."""
    return type(value) is int and 0 <= value < 1 << 63


# A folder's name, too.
_RELEASE = text(r"[0-9]{8}-[0-9]{6}-[A-Za-z0-9._+-]{1,80}")
# Of the code: a commit or a tree, and "+dirty". The id of a release, and so the name of a folder, is made of it.
revision = text(r"[0-9A-Za-z]{0,64}(\+[a-z]{1,20})?")


def release_id(value: Any) -> bool:
    """Accept the id of a release, which begins with a valid time."""
    if not _RELEASE(value):
        return False
    try:
        time.strptime(value[:15], "%Y%m%d-%H%M%S")
    except ValueError:
        return False
    return True
