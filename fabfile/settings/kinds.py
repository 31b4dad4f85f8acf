"""The kinds of value a setting may have, each with the phrase that tells people what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema


class UnexpectedError(ValueError):
    """A value is not what is expected.

    :param expected: what is, as a phrase.
    :param hint: what to write instead, when that can be told.
    :param found: what was found, when it is not the whole value.
    """

    def __init__(self, expected: str, hint: str = "", found: str = "") -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected
        self.hint = hint
        self.found = found


@dataclass(frozen=True)
class Kind:
    """Annotation of a type with the phrase for it."""

    text: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        raise NotImplementedError


@dataclass(frozen=True)
class Scalar(Kind):
    """A single value. Whatever pydantic says against it becomes one `UnexpectedError` with the phrase."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    def _check(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            cause = error.errors(include_url=False)[0].get("ctx", {}).get("error")
            raise cause if isinstance(cause, UnexpectedError) else UnexpectedError(self.text) from None


# Far beyond all sense, and what nginx, HAProxy and the host's clock still take for a number of seconds.
_LARGEST = 1_000_000
_TYPES_OF_BARE_WORDS = {bool: "true or false", int: "a number", float: "a number", date: "a date"}


@dataclass(frozen=True)
class Text(Scalar):
    """A text that matches a pattern as a whole.

    :param pattern: regular expression; without one every text will do, as far as this kind is concerned.
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
    """A whole number; true and false, which Python counts among them, are none.

    :param largest: what is larger is refused.
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
    """A list; its members say for themselves what is expected of them."""

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
    """A mapping; its members say for themselves what is expected of them."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if not isinstance(value, dict | BaseModel):
            raise UnexpectedError(self.text)
        return value
