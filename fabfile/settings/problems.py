"""Messages for invalid settings: the place, the value found, the value expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..printable import cut
from .environment import Overlay, kind_of, kinds
from .fabric_config import Layer
from .kinds import UnexpectedError
from .project import Settings

# Longest text beside the value, which may quote it.
_LONGEST = 300


class Whereabouts:
    """Locations of keys: the file or variable that a key's value is from.

    :param layers: the files, weakest first.
    :param overlay: the environment, which overrides all files.
    :param default: the file for a missing key.
    """

    def __init__(self, layers: Sequence[Layer], overlay: Overlay, default: str) -> None:
        self._layers = layers
        self._overlay = overlay
        self.default = default

    def of(self, path: Sequence[Any]) -> str:
        """Find the strongest layer that has the key, or the variable's name."""
        for end in range(len(path), 0, -1):
            if name := self._overlay.names.get(tuple(path[:end])):
                return f"{name} in the environment"
        for layer in reversed(self._layers):
            if _stands_in(layer.data, path):
                return layer.label
        return self.default


def _stands_in(data: Any, path: Sequence[Any]) -> bool:
    """Whether nested mappings have a path; below a list, any rest of the path counts."""
    for key in path:
        if not isinstance(data, Mapping):
            return True
        found = [value for name, value in data.items() if name == key or str(name) == key]
        if not found:
            return False
        data = found[0]
    return True


def unknown_key(key: object, where: str, others: Iterable[str] = ()) -> str:
    """Describe an unknown top-level key, without its value, which may be a secret.

    :param others: valid keys in addition to those of the schema.
    """
    dotted = {".".join(known): known for known, _ in kinds()}
    near = _nearest(str(key), [*dotted, *others])
    name = written([key])
    if near:
        return f"{where}: {name}: found an unknown key{_did_you_mean(near)}"
    return (
        f"{where}: {name}: found an unknown key, expected one of: {', '.join(Settings.model_fields)}; "
        "your own keys begin with x-"
    )


def explain(error: ValidationError, whereabouts: Whereabouts, example_app: str) -> list[str]:
    """Describe each of pydantic's errors on one line.

    :param example_app: example for a missing `app`.
    """
    return [_explain(detail, whereabouts, example_app) for detail in error.errors(include_url=False)]


def _explain(detail: ErrorDetails, whereabouts: Whereabouts, example_app: str) -> str:
    path = [part for part in detail["loc"] if part != "[key]"]
    where = whereabouts.of(path)
    key = written(path)
    if detail["type"] == "missing":
        expected = kind_of(_model_at(path).model_fields[str(path[-1])]).text
        hint = f"; write for instance `app: {example_app}`" if key == "app" else ""
        return f"{where}: {key}: missing, expected {expected}{hint}"
    if detail["type"] == "extra_forbidden":
        return f"{where}: {key}: found an unknown key{_instead(path)}"
    value = detail["input"]
    cause = detail.get("ctx", {}).get("error")
    if not isinstance(cause, UnexpectedError):
        cause = UnexpectedError(detail["msg"])
    found = cut(cause.found, _LONGEST) or value_text(value)
    if detail["loc"][-1] == "[key]":
        key, found = written(path[:-1]), f"the name {value_text(value)}"
    elif path[0] == "environment" or "connect_kwargs" in path:
        found = _kind_of(value)
    hint = f"; {cut(cause.hint, _LONGEST)}" if cause.hint else ""
    return f"{where}: {key}: found {found}, expected {cause.expected}{hint}"


def written(path: Sequence[Any]) -> str:
    """Write a key for a message: `health.path`, `domains[0]`, `static['/static/']`."""
    text = ""
    for part in path:
        plain = isinstance(part, str) and re.fullmatch(r"[\w-]+", part)
        name = cut(part if plain else repr(part))
        text += (f".{name}" if text else name) if plain else f"[{name}]"
    return text


def value_text(value: Any) -> str:
    """Write a value for a message: cut if long, without a URL's login and query, containers by kind."""
    if isinstance(value, str):
        text = re.sub(r"(://[^\s?#]*[?#])\S+", r"\1***", re.sub(r"(?<=://)[^/@\s]*@", "***@", value))
        return repr(cut(text))
    if value is None or isinstance(value, list | dict):
        return _kind_of(value)
    try:
        return cut(str(value).lower() if isinstance(value, bool) else str(value))
    except ValueError:
        return "a number of thousands of digits"


def _kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    kinds_of: dict[type, str] = {list: "a list", dict: "a mapping"}
    return kinds_of.get(type(value), "a value that is not shown")


def _instead(path: Sequence[Any]) -> str:
    keys = _model_at(path).model_fields
    near = _nearest(str(path[-1]), keys)
    return _did_you_mean(near) if near else f", expected one of: {', '.join(keys)}"


def _model_at(path: Sequence[Any]) -> type[BaseModel]:
    """Find the model of the last key of a path: the settings, or a part of them."""
    place: Any = Settings
    for part in path[:-1]:
        is_model = isinstance(place, type) and issubclass(place, BaseModel)
        place = place.model_fields[str(part)].annotation if is_model else get_args(place)[-1]
        while get_origin(place) is Annotated:
            place = get_args(place)[0]
    model: type[BaseModel] = place
    return model


def _nearest(key: str, valid: Iterable[str]) -> str | None:
    names = list(valid)
    plain = key.lower().replace("-", "_")
    longer = [name for name in names if len(plain) > 2 and name.startswith(plain)]
    return next(iter(difflib.get_close_matches(plain, names, n=1) or longer), None)


def _did_you_mean(key: str) -> str:
    return f"; did you mean {key}?"
