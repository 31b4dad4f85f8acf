"""A picture of the protocol between deployers' machines and hosts: all that both ends must agree on, as JSON.

`python tests/unit/protocol_shape.py` takes it anew, when PROTOCOL in `contract/protocol.py` was raised.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from hostsmith import __version__
from hostsmith.agent.deployers import resources, rules, values
from hostsmith.connection import answers
from hostsmith.contract import checks, events, wire
from hostsmith.contract.protocol import PROTOCOL
from hostsmith.hostkit.supervisor import supervisor_config

PICTURE = Path(__file__).parent / "protocol.json"
_MODULES = (checks, values, resources, rules, answers, events)
_ALLOWED = resources.AllowedResources
_MADE_BY = re.compile(r"(?:AllowedResources\.)?(\w+)\.<locals>\.<lambda>")


def shape() -> dict[str, Any]:
    """Describe frames, questions, resources and their fields, answers and events, each with its check."""
    # One name that nothing else is called, so that it can be told from a value of a rule.
    allowed = rules.Allowed("the-app")
    return {
        "frames": described(allowed._frames),
        "queries": described(allowed._queries),
        "actions": described(allowed._actions),
        "resources": sorted(wire.type_name(cls) for cls in resources._RESOURCES),
        "fields": {name: _fields(name) for name in sorted(resources._KNOWN)},
        "checks": {wire.type_name(cls): described(found) for cls, found in allowed._resources.classes.items()},
        "files and folders": [
            _code(method)
            for method in (
                *(allowed._check, allowed._resources._is_allowed),
                *(allowed._resources._is_file_of_release, allowed._resources._is_sockets_folder),
                allowed._resources._release_of,
            )
        ],
        "supervisor.conf": {
            "options": supervisor_config._OPTIONS,
            "line": supervisor_config._LINE.pattern,
            "rules": [
                _code(each)
                for each in (
                    *(supervisor_config.is_of_release, supervisor_config._sections),
                    *(supervisor_config._is_program, supervisor_config._are_programs),
                )
            ],
        },
        "answers": {
            query: described(answers.ANSWERS[query]) for query in sorted({**allowed._queries, **allowed._actions})
        },
        "events": described(events._FIELDS),
        "named": {name: _described(each) for name, each in sorted(_named().values(), key=lambda pair: pair[0])},
        "makers of checks": {
            each.__qualname__: _code(each)
            for each in (*vars(checks).values(), answers._listed, _ALLOWED.is_a, _ALLOWED.dumped)
            if isinstance(each, FunctionType) and _named().get(id(each)) is None
        },
    }


def described(value: Any) -> Any:
    """Describe a check, or what holds checks; one with a name in its module by its name."""
    found = _named().get(id(value))
    return f"<{found[0]}>" if found else _described(value)


def _described(value: Any) -> Any:
    if isinstance(value, re.Pattern):
        return value.pattern
    if isinstance(value, Mapping):
        return {str(key): described(each) for key, each in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, (list, tuple)):
        return [described(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, type):
        return wire.type_name(value)
    if isinstance(value, MethodType):
        return value.__name__
    if isinstance(value, FunctionType):
        closed = inspect.getclosurevars(value).nonlocals
        rest = {name: described(each) for name, each in sorted(closed.items()) if name != "self"}
        made = _MADE_BY.fullmatch(value.__qualname__)
        if made is None or made[1] == "__init__":
            return [_code(value), rest] if rest else _code(value)
        return {made[1]: next(iter(rest.values())) if len(rest) == 1 else rest}
    return repr(value)


@functools.cache
def _named() -> dict[int, tuple[str, Any]]:
    """Checks that are used in several places, by their identity."""
    found: dict[int, tuple[str, Any]] = {}
    for module in _MODULES:
        for name, each in vars(module).items():
            if isinstance(each, FunctionType) and (each.__name__ == "<lambda>" or _is_check(each)):
                found.setdefault(id(each), (f"{module.__name__.rpartition('.')[2]}.{name}", each))
    return found


def _is_check(function: FunctionType) -> bool:
    return list(inspect.signature(function).parameters) in (["value"], ["found"])


def _fields(name: str) -> list[str]:
    module, _, qualname = name.partition(":")
    return sorted(field.name for field in dataclasses.fields(getattr(importlib.import_module(module), qualname)))


def _code(function: Any) -> str:
    """What a function does: its source without docstring, comments and line breaks."""
    path, line = inspect.getsourcefile(function), function.__code__.co_firstlineno
    assert path is not None
    kinds = (ast.Lambda,) if function.__name__ == "<lambda>" else (ast.FunctionDef,)
    node = next(each for each in ast.walk(_tree(path)) if isinstance(each, kinds) and each.lineno == line)
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
        del node.body[0]
        node.body = node.body or [ast.Pass()]
    text = ast.unparse(node.body) if isinstance(node, ast.Lambda) else "; ".join(map(ast.unparse, node.body))
    # Python 3.10 writes a parenthesis around names that are unpacked.
    return re.sub(r"\((\w+(?:, \w+)+)\)(?= (?:=|in) )", r"\1", " ".join(text.split()))


@functools.cache
def _tree(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def kept() -> dict[str, Any]:
    """Read the picture that was taken last."""
    found: dict[str, Any] = json.loads(PICTURE.read_text(encoding="utf-8"))
    return found


def is_released(picture: Mapping[str, Any], version: str = __version__) -> bool:
    """Whether a version that speaks this protocol may be in use: any but the one that is being made."""
    return bool(picture["since"] != version.partition(".dev")[0])


def main() -> None:
    """Take the picture anew."""
    old = kept() if PICTURE.exists() else None
    if old and old["protocol"] == PROTOCOL and old["shape"] != shape() and is_released(old):
        sys.exit(
            f"protocol {PROTOCOL} is that of hostsmith {old['since']}, and what both ends must agree on has changed "
            "since: raise PROTOCOL in fabfile/contract/protocol.py"
        )
    since = old["since"] if old and old["protocol"] == PROTOCOL else __version__.partition(".dev")[0]
    text = json.dumps({"protocol": PROTOCOL, "since": since, "shape": shape()}, indent=1, ensure_ascii=True)
    PICTURE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
