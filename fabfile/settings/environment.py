"""Settings from environment variables: `FABRIC_<KEY>` for every key of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

from invoke.util import yaml  # type: ignore[attr-defined]
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .fabric_config import finite
from .kinds import Kind, ListOf, MappingOf
from .project import Settings

VARIABLE_PREFIX = "FABRIC_ENVIRONMENT_"

Key = tuple[str, ...]


def variable(key: Key) -> str:
    """Name the variable of a key: `FABRIC_HEALTH_PATH` for `health.path`."""
    return "_".join(("fabric", *key)).upper()


def kinds(model: type[BaseModel] = Settings, at: Key = ()) -> Iterator[tuple[Key, Kind]]:
    """List every key of the schema with the kind of its value, a mapping before its own keys."""
    for name, info in model.model_fields.items():
        key = (*at, name)
        yield key, kind_of(info)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from kinds(info.annotation, key)


def kind_of(info: FieldInfo) -> Kind:
    """Find the kind of a field's value: an annotation of the field, or of its type if the value may be None."""
    notes = [*info.metadata, *(note for option in get_args(info.annotation) for note in _notes(option))]
    return next(note for note in notes if isinstance(note, Kind))


def _notes(option: Any) -> Iterable[Any]:
    return get_args(option)[1:] if get_origin(option) is Annotated else ()


@dataclass
class Overlay:
    """Settings that the environment sets.

    :param values: by key, a mapping before its own keys.
    :param names: variable of each value.
    :param problems: a message per invalid variable.
    """

    values: dict[Key, Any] = field(default_factory=dict)
    names: dict[Key, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def over(self, data: dict[str, Any]) -> None:
        """Merge the values into nested settings; the schema reports a place that is not a mapping."""
        for key, value in self.values.items():
            place: Any = data
            for name in key[:-1]:
                if isinstance(place, dict) and name == "tls" and place.get(name) is True:
                    place[name] = {}  # what `true` is short for
                place = place.setdefault(name, {}) if isinstance(place, dict) else None
            if isinstance(place, dict):
                place[key[-1]] = value


def read(environ: Mapping[str, str]) -> Overlay:
    """Read the variables of our keys: single values as they are, lists comma-separated, mappings as YAML.

    An empty variable counts as not set, but `FABRIC_ENVIRONMENT_<NAME>`, which sets one variable of the app, may be
    empty.
    """
    overlay = Overlay()
    for key, kind in kinds():
        name = variable(key)
        text = environ.get(name, "").strip()
        if not text:
            continue
        try:
            overlay.values[key] = _convert(kind, text)
            overlay.names[key] = name
        # PyYAML raises ValueError for texts that only look like a number or a date, such as 0x_ or 2026-13-45.
        except (yaml.YAMLError, ValueError, RecursionError):
            overlay.problems.append(f"{name} in the environment: {'.'.join(key)}: invalid YAML, expected {kind.text}")
    for name, text in environ.items():
        key = ("environment", name.removeprefix(VARIABLE_PREFIX))
        if name.startswith(VARIABLE_PREFIX) and key[1]:
            overlay.values[key] = text
            overlay.names[key] = name
    return overlay


def _convert(kind: Kind, text: str) -> Any:
    if isinstance(kind, MappingOf):
        return finite(yaml.safe_load(text))  # type: ignore[no-untyped-call]
    if isinstance(kind, ListOf):
        if text.startswith("["):
            return finite(yaml.safe_load(text))  # type: ignore[no-untyped-call]
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
