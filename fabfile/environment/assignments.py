"""Assignments on the command line: `KEY=value`, or a value from elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..contract.secret import Secret
from ..errors import UsageError
from ..hostkit.app.variables import VARIABLE_NAME

_WAYS = "KEY=value, KEY=- for standard input, KEY=@file, or KEY alone to be asked for it"


def assigned(words: Sequence[str]) -> dict[str, Secret]:
    """Read the assigned values.

    :raises UsageError: an assignment is invalid, or its value cannot be read. The message does not show the value.
    """
    if not words:
        raise UsageError(f"there is nothing to set, expected {_WAYS}")
    if sum(word.endswith("=-") and word.count("=") == 1 for word in words) > 1:
        raise UsageError("found several values from standard input, expected one")
    return {name: _value(name, equals, rest) for name, equals, rest in (_split(word) for word in words)}


def names(words: Sequence[str]) -> list[str]:
    """Read names of variables without values.

    :raises UsageError: there is no name, or a name is invalid.
    """
    for word in words:
        _split(word)
        if "=" in word:
            raise UsageError(f"{word.partition('=')[0]}: found a value, expected the name alone")
    if not words:
        raise UsageError("the name is missing, expected one or more, such as DATABASE_URL")
    return list(words)


def _split(word: str) -> tuple[str, str, str]:
    name, equals, rest = word.partition("=")
    if not VARIABLE_NAME.fullmatch(name):
        # The word is not shown: it may be a value without its name.
        raise UsageError(f"invalid variable name, which has letters, digits and _ only; expected {_WAYS}")
    return name, equals, rest


def _value(name: str, equals: str, rest: str) -> Secret:
    if not equals:
        return _asked(name)
    if rest == "-":
        text = _decoded(name, "standard input", sys.stdin.buffer.read())
        if not text:
            raise UsageError(f"{name}: standard input is empty, expected the value")
        return Secret(text)
    if rest.startswith("@"):
        return _of_file(name, rest[1:])
    return Secret(rest)


def _asked(name: str) -> Secret:
    if not sys.stdin.isatty():
        raise UsageError(f"{name}: cannot ask for the value without a terminal; expected {_WAYS}")
    import getpass

    try:
        return Secret(getpass.getpass(f"{name}: "))
    except EOFError:
        raise UsageError(f"{name}: the value is missing; nothing has changed") from None


def _of_file(name: str, path: str) -> Secret:
    try:
        return Secret(_decoded(name, path, Path(path).expanduser().read_bytes()))
    except OSError as error:
        raise UsageError(
            f"{name}: {path}: {error.strerror}; for a value that begins with @, use {name}=- and standard input"
        ) from None


def _decoded(name: str, where: str, data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name}: {where}: not UTF-8 text") from None
    if "\0" in text:
        raise UsageError(f"{name}: {where}: found a NUL, which a variable cannot have")
    # The end of the line belongs to the file, not to the value.
    return text.removesuffix("\n").removesuffix("\r")
