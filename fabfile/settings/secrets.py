"""Settings that hold a secret or refer to one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from ..contract.secret import Secret
from .kinds import Scalar, UnexpectedError

_VARIABLE = "a text, a number, true or false"
# Linux takes 128 KiB for one variable with its name (MAX_ARG_STRLEN).
LONGEST_VARIABLE = 120_000
_SHORTEST, _LONGEST = 16, 1024


@dataclass(frozen=True)
class Generated:
    """A value that is generated once and kept.

    :param length: number of letters and digits.
    """

    length: int


@dataclass(frozen=True)
class FromCommand:
    """A value that a command on this machine prints, such as a password manager's.

    :param argv: program and arguments, without a shell.
    """

    argv: tuple[str, ...]


Value = Secret | Generated | FromCommand


def _value(value: Any) -> Value:
    if isinstance(value, Secret | Generated | FromCommand):
        return value
    if isinstance(value, dict):
        return _made(value)
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int | float):
        raise UnexpectedError(_VARIABLE, 'write "" for an empty text' if value is None else "")
    try:
        text = str(value)
    except ValueError:  # a number with thousands of digits
        raise UnexpectedError(_VARIABLE, "put such a long number in quotes") from None
    if re.search("[\0\ud800-\udfff]", text):
        raise UnexpectedError(f"{_VARIABLE}, in UTF-8 and without NUL")
    if len(text.encode()) > LONGEST_VARIABLE:
        raise UnexpectedError(
            f"{_VARIABLE}, of at most {LONGEST_VARIABLE} bytes", "Linux has this limit; put the value in a file"
        )
    return Secret(text)


def _made(value: Mapping[Any, Any]) -> Value:
    if set(value) == {"generate"}:
        length = value["generate"]
        if type(length) is not int or not _SHORTEST <= length <= _LONGEST:
            raise UnexpectedError(f"a length of {_SHORTEST} to {_LONGEST}, such as {{generate: 50}}")
        return Generated(length)
    if set(value) == {"command"}:
        return command(value["command"])
    raise UnexpectedError(f"{_VARIABLE}, {{generate: 50}} or {{command: [pass, show, blog/key]}}")


def command(argv: Any) -> FromCommand:
    """Read the command of `{command: ...}`."""
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) and word for word in argv):
        raise UnexpectedError(
            "a program with its arguments as a list of texts, such as {command: [pass, show, blog/key]}"
        )
    return FromCommand(tuple(argv))


def _key_place(value: Any) -> Path | FromCommand | None:
    if value is None or isinstance(value, Path | FromCommand):
        return value
    if isinstance(value, dict) and set(value) == {"command"}:
        return command(value["command"])
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise UnexpectedError(_KEY)


_KEY = "a file, or {command: [PROGRAM, ...]} that prints the key"
KeyPlace = Annotated[
    Path | FromCommand | None, PlainValidator(_key_place), PlainSerializer(str, when_used="json"), Scalar(_KEY)
]
VariableValue = Annotated[Value, PlainValidator(_value), PlainSerializer(str, when_used="json"), Scalar(_VARIABLE)]
