"""Predicates by which data from whom one does not trust is looked at; all of them say no to what they do not know."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]

_LARGEST = 1_000_000.0
_MANY = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")


def text(pattern: str) -> Check:
    """A text that matches as a whole, and can be written to a file."""
    compiled = re.compile(pattern)
    return lambda value: type(value) is str and compiled.fullmatch(value) is not None and not _SURROGATE.search(value)


def argument(value: Any) -> bool:
    """What a program can be given; bytes that are no text are surrogates."""
    return type(value) is str and re.search("[\0\ud800-\udc7f\udd00-\udfff]", value) is None


def number() -> Check:
    """A number of seconds that can be meant."""
    return lambda value: type(value) in (int, float) and 0 <= value <= _LARGEST


def whole(least: int, most: int) -> Check:
    """A whole number."""
    return lambda value: type(value) is int and least <= value <= most


def exactly(*values: Any) -> Check:
    """One of these, and of its type."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def all_of(kind: type[list[Any]] | type[tuple[Any, ...]], check: Check) -> Check:
    """A list or a tuple of such."""
    return lambda value: type(value) is kind and all(check(each) for each in value)


def pair(check: Check) -> Check:
    """A tuple of two such."""
    return lambda value: type(value) is tuple and len(value) == 2 and all(check(each) for each in value)


def mapping(keys: Check, values: Check) -> Check:
    """A mapping from such to such."""
    return lambda value: type(value) is dict and all(keys(key) and values(each) for key, each in value.items())


def record(**fields: Check) -> Check:
    """A mapping with these keys and no others; one that is not there counts as None."""
    return lambda value: (
        type(value) is dict and value.keys() <= fields.keys() and all(fields[key](value.get(key)) for key in fields)
    )


def few(check: Check) -> Check:
    """Such a list, tuple or mapping, of no more than anybody means."""
    return lambda value: check(value) and len(value) <= _MANY


def optional(check: Check) -> Check:
    """Such, or None."""
    return lambda value: value is None or check(value)


def anything(value: Any) -> bool:
    """Whatever it is."""
    return True


def size(value: Any) -> bool:
    """A number of bytes."""
    return type(value) is int and 0 <= value < 1 << 63
