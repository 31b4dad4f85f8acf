"""Generator of docs/settings.md: `python -m hostsmith.settings.reference > docs/settings.md`."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from invoke.util import yaml  # type: ignore[attr-defined]
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .environment import kind_of
from .project import Settings
from .reference_groups import GROUPS, INTRODUCTION

_WIDTH = 100
# A key that excludes another one of its group, as `#staging: true`.
_ALTERNATIVE = re.compile(r"^( *)#(?=\w)", re.MULTILINE)


def render() -> str:
    """Render the whole page."""
    return "\n".join([INTRODUCTION, *(_section(*group) for group in GROUPS)])


def _section(title: str, text: str, example: str) -> str:
    return f"## {title}\n\n{text}\n```yaml\n{commented(example)}```\n"


def commented(example: str) -> str:
    """Add a comment to each key of an example, where it first appears: description, type and default."""
    lines = example.splitlines()
    alternatives = {number for number, line in enumerate(lines) if _ALTERNATIVE.match(line)}
    comments = {line: (column, info) for line, column, info in keys(example)}
    found: list[str] = []
    for number, line in enumerate(lines):
        if number in comments:
            found += _separated(found, comments[number][0], _comment(*comments[number]))
        # A tag marks it again as an alternative.
        found.append(_ALTERNATIVE.sub(r"\1#", line) if number in alternatives else line)
    return "\n".join(found) + "\n"


def _separated(before: list[str], column: int, comment: list[str]) -> list[str]:
    """Put a blank line before a comment, but not at the beginning of a mapping."""
    begins = not before or len(before[-1]) - len(before[-1].lstrip(" -#")) < column or not before[-1].strip()
    return comment if begins else ["", *comment]


def _comment(column: int, info: FieldInfo) -> list[str]:
    description, _, default = (info.description or "").partition(" Default: ")
    indent = " " * column + "# "
    width = _WIDTH - len(indent)
    facts = [f"Type: {kind_of(info).text}.", _default(info, default)]
    if len(" ".join(facts)) <= width:
        facts = [" ".join(facts)]
    return [indent + line for text in (description, *facts) for line in _wrapped(text, width)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _default(info: FieldInfo, described: str) -> str:
    """Write the default: as described, or the value itself; none for a mapping with keys of the schema."""
    if info.is_required():
        return "Required."
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    return f"Default: {described or f'{_shown(value)}.'}"


def _shown(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def keys(example: str) -> Iterator[tuple[int, int, FieldInfo]]:
    """Find the keys of an example, each where it first appears: line, column and field of the schema."""
    seen: set[tuple[type[BaseModel], str]] = set()
    root = yaml.compose(_ALTERNATIVE.sub(r"\1", example))  # type: ignore[no-untyped-call]
    for line, column, model, name in _fields(root, Settings):
        if (model, name) not in seen:
            seen.add((model, name))
            yield line, column, model.model_fields[name]


def _fields(node: Any, kind: Any, at: tuple[int, int] | None = None) -> Iterator[tuple[int, int, type[BaseModel], str]]:
    """Walk a node of YAML beside its type; `at` is the place of the dash before a mapping in a list."""
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            mark = member.start_mark
            dash = (mark.line, mark.column - 2) if not node.flow_style and mark.column >= 2 else None
            yield from _fields(member, _member(kind), dash)
    elif isinstance(node, yaml.MappingNode):
        model = _model(kind)
        for number, (key, value) in enumerate(node.value):
            if model is None:
                yield from _fields(value, _member(kind))
                continue
            name = _name(model, key.value)
            if name is not None:
                place = at if at and number == 0 else (key.start_mark.line, key.start_mark.column)
                yield *place, model, name
                yield from _fields(value, model.model_fields[name].annotation)


def _name(model: type[BaseModel], key: str) -> str | None:
    """Find the field of a key; None for a key of the user's own."""
    return next((name for name, info in model.model_fields.items() if key in (name, info.alias)), None)


def _model(kind: Any) -> type[BaseModel] | None:
    """Find the model in a type: itself, or that of an annotation or of an optional value."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return _model(get_args(kind)[0]) if get_origin(kind) is Annotated else None


def _member(kind: Any) -> Any:
    """Find the type of the members of a list or mapping."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    arguments = get_args(kind)
    return arguments[-1] if arguments else None


if __name__ == "__main__":
    sys.stdout.write(render())
