"""Where a pyproject.toml says that dependencies come from, beside the index of the host: none of it is passed over.

A package that is the project's own has, as often as not, a namesake of a stranger's on the public index.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.base import ResourceError
from . import beside
from .requirements import PYPROJECT, canonical

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
_INDEXES = frozenset({"index", "index-url", "extra-index-url", "find-links"})
_VERSIONS = frozenset({"override-dependencies", "constraint-dependencies"})
_UVS = _INDEXES | _VERSIONS | {"sources", "no-index", "dependency-metadata", "exclude-dependencies"}
_UVS |= {"build-constraint-dependencies"}
_UVS_PIP = _INDEXES | {"no-index", "torch-backend"}
# How Poetry and Pixi say so of a single dependency.
_ELSEWHERE = frozenset({"git", "path", "file", "url", "source", "index"})
_NOWHERE_ELSE = (("source", "pypi"), ("path", "."), ("path", "./"))
_PIP_TOOLS = frozenset({"index-url", "extra-index-url", "find-links", "no-index", "trusted-host"})
_PIXIS = frozenset({"index-url", "extra-index-urls", "find-links", "no-index", "dependency-overrides"})
_PYPI = re.compile(r"https://pypi\.(?:python\.)?org/simple/?\Z")
# A requirement that does not say where a package is from.
_BY_NAME = re.compile(r"([A-Za-z0-9][\w.-]*)[^@]*\Z")
# What says the same and is read here, by the tool that has the table.
_LOCKS = {
    "poetry": "poetry.lock",
    "pdm": "pdm.lock",
    "pip-tools": "what `pip-compile` writes, and name it in `requirements`",
    "rye": "its requirements.lock, and name it in `requirements`",
    "pixi": "a requirements file with what it locks, and name it in `requirements`",
}


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
        pip = {"pip"} if _UVS_PIP & _table(self._uv, "pip").keys() else set()
        return sorted((self._uv.keys() & _UVS | pip) - ({"index"} if explicit else set()))

    @property
    def has_uv(self) -> bool:
        """Whether it has a table for uv."""
        return bool(self._uv)

    def indexes(self) -> list[str]:
        """Those keys that are for all that there is, of `of_uv`."""
        return [key for key in self.of_uv() if key in _INDEXES or key == "pip"]

    def has_index(self) -> bool:
        """Whether uv is told of indexes for all that there is."""
        return bool(_INDEXES & (set(self.of_uv()) | _table(self._uv, "pip").keys()))

    def has_default_index(self) -> bool:
        """Whether uv is told an index that takes the place of the host's."""
        named = any(_is(each, "default") for each in self._indexes())
        return named or "index-url" in self._uv or "index-url" in _table(self._uv, "pip")

    @property
    def _uv(self) -> Mapping[str, Any]:
        return _table(self.data, "tool", "uv")

    def _indexes(self) -> list[Any]:
        return _list(self._uv.get("index"))

    def says_origins(self) -> bool:
        """Whether it says of anything where it comes from, when it is a tool's own file or a lock."""
        return bool(self.of_uv() or {"pypi", "source"} & self.data.keys() or self.name == "pylock.toml")

    def require_no_others(self) -> None:
        """See that there is nothing which neither uv nor pip respects.

        :raises ResourceError: there is.
        """
        for tool, found in self._others():
            raise self.refused(f"[tool.{tool}] {found}", "its tool", _LOCKS[tool])

    def require_nothing_of_uv(self) -> None:
        """See that there is nothing for uv, where uv does not install.

        :raises ResourceError: there is.
        """
        for key in self.of_uv():
            raise self.refused(f"[tool.uv] {key}", "uv, which does not install here,", "uv.lock")

    def require_no_sources(self) -> None:
        """As `require_nothing_of_uv`, of a folder that `require_nothing_beside_sources` has seen.

        :raises ResourceError: there is.
        """
        if "sources" in self._uv:
            raise self.refused("[tool.uv] sources", "uv, which does not install here,", "uv.lock")

    def require_nothing_beside_sources(self, pinned: Collection[str]) -> None:
        """See that uv is told nothing which it would pass over in a folder that is one requirement of several.

        :param pinned: packages whose version the others say.
        :raises ResourceError: it is.
        """
        for key in set(self.of_uv()) - {"sources"}:
            names = [_BY_NAME.match(str(each)) for each in _list(self._uv.get(key))] if key in _VERSIONS else [None]
            if not all(name and canonical(name[1]) in pinned for name in names):
                raise self.refused(f"[tool.uv] {key}", "uv where it is the project", "uv.lock")

    def has_part(self, folder: str) -> bool:
        """Whether a folder below it is in its workspace."""
        workspace = _table(self._uv, "workspace")
        return _is_of(folder, workspace.get("members")) and not _is_of(folder, workspace.get("exclude"))

    def folders(self, folder: str) -> Iterator[str]:
        """The folders and files on a host that it says its dependencies come from.

        :param folder: where it is.
        :raises ResourceError: it cannot be told which.
        """
        for line in self.project.get("dependencies", []):
            if found := beside.path(self.name, str(line), folder):
                yield found
        for each in _table(self._uv, "sources").values():
            for source in each if isinstance(each, list) else [each]:
                if isinstance(source, dict) and "path" in source:
                    yield os.path.normpath(os.path.join(folder, str(source["path"])))

    def refused(self, found: str, who: str, what: str) -> ResourceError:
        """The error for a table that would be passed over."""
        return ResourceError(
            f"{self.name}: found {found}, which says where dependencies come from and is read by {who} alone; "
            f"without it, packages of the same names would be taken from the index. Commit {what}"
        )

    def _others(self) -> Iterator[tuple[str, str]]:
        """Each with its tool; what only says that packages are from PyPI does not count."""
        tool = _table(self.data, "tool")
        poetry, pdm, pixi = _table(tool, "poetry"), _table(tool, "pdm"), _table(tool, "pixi")
        if any(map(_is_for_all, _list(poetry.get("source")))):
            yield "poetry", "source"
        if any(map(_is_for_all, _list(pdm.get("source")))):
            yield "pdm", "source"
        if _table(pdm, "resolution").get("overrides"):
            yield "pdm", "resolution.overrides"
        if any(map(_is_for_all, _list(_table(tool, "rye").get("sources")))):
            yield "rye", "sources"
        for name, table in (
            ("poetry", _table(poetry, "dependencies")),
            ("pixi", _table(pixi, "pypi-dependencies")),
        ):
            for package, entry in table.items():
                if any(isinstance(each, dict) and _is_elsewhere(each) for each in _list(entry)):
                    yield name, f"{'pypi-' if name == 'pixi' else ''}dependencies {package}"
        for key in _table(pixi, "pypi-options").keys() & _PIXIS:
            yield "pixi", f"pypi-options {key}"
        for table in (_table(tool, "pip-tools"), *(_table(tool, "pip-tools", each) for each in ("compile", "sync"))):
            if re.search("index|find-links", str(table.get("pip-args", ""))):
                yield "pip-tools", "pip-args"
            for key in table:
                if key.replace("_", "-") in _PIP_TOOLS and table[key]:
                    yield "pip-tools", key


def read(path: str, run: Callable[[Sequence[str]], str], python: str) -> Document:
    """Read a pyproject.toml.

    :param run: runs a program and returns what it prints.
    :param python: an interpreter that has pip.
    :raises ResourceError: it is none.
    """
    return document(os.path.basename(path), json.loads(run([python, "-I", "-c", _READER, path])))


def document(name: str, data: Mapping[str, Any]) -> Document:
    """A pyproject.toml, or as such a uv.toml, which is the same as its table [tool.uv]."""
    return Document(name, {"tool": {"uv": data}} if name == "uv.toml" else data)


def _is_for_all(source: Any) -> bool:
    """Whether an index of Poetry's, PDM's or Rye's is another than PyPI, and for more than those who name it."""
    if not isinstance(source, dict):
        return True
    named = str(source.get("name", "")).lower() == "pypi" and "url" not in source
    return not (named or source.get("priority") == "explicit" or _PYPI.match(str(source.get("url", ""))))


def _is_elsewhere(entry: Mapping[str, Any]) -> bool:
    """Whether a dependency is from elsewhere than an index for all; neither PyPI nor the project itself are that."""
    return any((key, str(entry[key]).lower()) not in _NOWHERE_ELSE for key in _ELSEWHERE & entry.keys())


def _is_of(folder: str, patterns: Any) -> bool:
    """Whether a folder is one of a workspace's."""
    found = [os.path.normpath(str(each)) for each in _list(patterns)]
    return any(
        fnmatch.fnmatchcase(folder, each) and ("**" in each or each.count("/") == folder.count("/")) for each in found
    )


def _list(value: Any) -> list[Any]:
    """What may be one or several, as several."""
    return value if isinstance(value, list) else [] if value is None else [value]


def above(below: Document, folder: str, named: Callable[[str], Document | None], has_lock: bool) -> str:
    """What uv would heed of a folder above a pyproject.toml that has no lock; empty when there is nothing.

    :param folder: where that one is, relative to the folder above.
    :param named: reads a file of the folder above.
    :param has_lock: whether a uv.lock is in it.
    """
    own, configuration = named(PYPROJECT), named("uv.toml")
    is_part = own is not None and own.has_part(folder)
    if is_part and has_lock:
        return "uv.lock"
    for document in filter(None, (own, configuration)):
        # uv takes its configuration from the first folder above that has one, also outside of a workspace.
        heeded = document.of_uv() if is_part else [] if below.has_uv else document.indexes()
        if heeded:
            return f"{document.name} ({heeded[0]})"
    return ""


def _is(index: Any, key: str) -> bool:
    """Whether an index is said to be something."""
    return isinstance(index, dict) and index.get(key) is True


def _table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """A table in a table; an empty one where there is none."""
    for key in keys:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data
