"""Kinds of values of settings, each with the phrase for its errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema


class Model(BaseModel):
    """Base of each part of the schema: immutable, without unknown keys, and without values in error messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class UnexpectedError(ValueError):
    """A value is not the expected one.

    :param expected: phrase for valid values.
    :param hint: what to write instead, if that is known.
    :param found: the invalid part, if it is not the whole value.
    """

    def __init__(self, expected: str, hint: str = "", found: str = "") -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected
        self.hint = hint
        self.found = found


@dataclass(frozen=True)
class Kind:
    """Annotation of a type with the phrase for its values."""

    text: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        raise NotImplementedError


@dataclass(frozen=True)
class Scalar(Kind):
    """A single value. Any error of pydantic becomes one `UnexpectedError` with the phrase."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    def _check(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            cause = error.errors(include_url=False)[0].get("ctx", {}).get("error")
            raise cause if isinstance(cause, UnexpectedError) else UnexpectedError(self.text) from None


# More than anyone needs, and still a valid number of seconds for nginx, HAProxy and the host's clock.
_LARGEST = 1_000_000
_TYPES_OF_BARE_WORDS = {bool: "true or false", int: "a number", float: "a number", date: "a date"}


@dataclass(frozen=True)
class Text(Scalar):
    """A text that matches a pattern as a whole.

    :param pattern: regular expression; without one, any text is valid.
    """

    pattern: str = "(?s:.*)"

    def _check(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        if type(value) in _TYPES_OF_BARE_WORDS:
            hint = f"YAML reads it as {_TYPES_OF_BARE_WORDS[type(value)]}; put it in quotes"
            raise UnexpectedError(self.text, hint)
        text = super()._check(value, validate)
        if isinstance(text, str) and not re.fullmatch(self.pattern, text):
            raise UnexpectedError(self.text)
        return text


@dataclass(frozen=True)
class Number(Scalar):
    """A whole number, but not true or false, which Python counts as numbers.

    :param largest: largest valid number.
    """

    largest: int = _LARGEST

    def _check(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        if isinstance(value, bool | float):
            raise UnexpectedError(self.text)
        number = super()._check(value, validate)
        if number is not None and number > self.largest:
            raise UnexpectedError(self.text, f"{self.largest} is the largest")
        return number


@dataclass(frozen=True)
class ListOf(Kind):
    """A list; each member has its own kind."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if isinstance(value, str):
            raise UnexpectedError(self.text, hint=f"write [{value}]" if value.isprintable() else "")
        if not isinstance(value, list | tuple):
            raise UnexpectedError(self.text)
        return list(value)


@dataclass(frozen=True)
class OneOrList(ListOf):
    """A list, or its only member by itself."""

    def _check(self, value: Any) -> Any:
        return super()._check([value] if isinstance(value, str | int) else value)


@dataclass(frozen=True)
class MappingOf(Kind):
    """A mapping; each member has its own kind."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if not isinstance(value, dict | BaseModel):
            raise UnexpectedError(self.text)
        return value
