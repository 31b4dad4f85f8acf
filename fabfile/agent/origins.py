"""Where a pyproject.toml says that dependencies come from, beside the index of the host: none of it is passed over.

A package that is the project's own has, as often as not, a namesake of a stranger's on the public index.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..resources.base import ResourceError

# In a Python that may be older than 3.11: pip has the reader of TOML.
_READER = """
import json, sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
try:
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(tomllib.load(file), default=str))
except (ValueError, RecursionError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
"""
# Where in a table of uv's it says that something comes from elsewhere.
_UVS = frozenset(
    {"sources", "index", "index-url", "extra-index-url", "find-links", "no-index", "pip", "dependency-metadata"}
    | {"override-dependencies", "constraint-dependencies", "exclude-dependencies", "build-constraint-dependencies"}
)
# How Poetry says so of a single dependency.
_POETRYS = frozenset({"git", "path", "file", "url", "source"})


@dataclass(frozen=True)
class Document:
    """A pyproject.toml.

    :param name: to name it by.
    :param data: what is in it.
    """

    name: str
    data: Mapping[str, Any]

    @property
    def project(self) -> Mapping[str, Any]:
        """Its table [project]."""
        return _table(self.data, "project")

    def of_uv(self) -> list[str]:
        """What uv alone respects, as keys of its table; explicit indexes count by the sources that name them."""
        explicit = all(_is(each, "explicit") for each in self._indexes())
        return sorted(self._uv.keys() & _UVS - ({"index"} if explicit else set()))

    def has_index(self) -> bool:
        """Whether uv is told of indexes for all that there is."""
        return bool({"index", "index-url", "extra-index-url", "find-links", "pip"} & set(self.of_uv()))

    def has_default_index(self) -> bool:
        """Whether uv is told an index that takes the place of the host's."""
        named = any(_is(each, "default") for each in self._indexes())
        return named or "index-url" in self._uv or "index-url" in _table(self._uv, "pip")

    @property
    def _uv(self) -> Mapping[str, Any]:
        return _table(self.data, "tool", "uv")

    def _indexes(self) -> list[Any]:
        found = self._uv.get("index", [])
        return found if isinstance(found, list) else [found]

    def require_no_others(self) -> None:
        """See that there is nothing which neither uv nor pip respects.

        :raises ResourceError: there is.
        """
        if found := next(self._others(), ""):
            raise self.refused(found, "its tool", "the lock")

    def require_nothing_of_uv(self) -> None:
        """See that there is nothing for uv, where uv does not install.

        :raises ResourceError: there is.
        """
        for key in self.of_uv():
            raise self.refused(f"[tool.uv] {key}", "uv, which does not install here,", "uv.lock")

    def require_nothing_beside_sources(self) -> None:
        """See that uv is told nothing which it would pass over in a folder that is one requirement of several.

        :raises ResourceError: it is.
        """
        for key in set(self.of_uv()) - {"sources"}:
            raise self.refused(f"[tool.uv] {key}", "uv where it is the project", "uv.lock")

    def refused(self, found: str, who: str, what: str) -> ResourceError:
        """The error for a table that would be passed over."""
        return ResourceError(
            f"{self.name}: found {found}, which says where dependencies come from and is read by {who} alone; "
            f"without it, packages of the same names would be taken from the index. Commit {what}"
        )

    def _others(self) -> Iterator[str]:
        tool = _table(self.data, "tool")
        poetry = _table(tool, "poetry")
        if poetry.get("source"):
            yield "[[tool.poetry.source]]"
        for name, entry in _table(poetry, "dependencies").items():
            entries = entry if isinstance(entry, list) else [entry]
            if any(isinstance(each, dict) and _POETRYS & each.keys() for each in entries):
                yield f"[tool.poetry.dependencies] {name}"
        for path in (
            ("pdm", "source"),
            ("pdm", "resolution", "overrides"),
            ("rye", "sources"),
            ("pixi", "pypi-dependencies"),
            ("pixi", "pypi-options"),
            ("pip-tools",),
        ):
            parent, found = _table(tool, *path[:-1]), path[-1]
            if parent.get(found):
                yield f"[tool.{'.'.join(path)}]"


def read(path: str, run: Callable[[Sequence[str]], str], python: str) -> Document:
    """Read a pyproject.toml.

    :param run: runs a program and returns what it prints.
    :param python: an interpreter that has pip.
    :raises ResourceError: it is none.
    """
    return Document(os.path.basename(path), json.loads(run([python, "-I", "-c", _READER, path])))


def _is(index: Any, key: str) -> bool:
    """Whether an index is said to be something."""
    return isinstance(index, dict) and index.get(key) is True


def _table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """A table in a table; an empty one where there is none."""
    for key in keys:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data
