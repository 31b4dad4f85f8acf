"""Sources of dependencies that pyproject.toml sets besides the host's index.

None of them is ignored: a private package often has a stranger's namesake on the public index.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.base import ResourceError
from ..linux import source_file
from . import requirements
from .requirements import PYPROJECT, beside, canonical

# The interpreter may be older than 3.11: pip contains a TOML parser.
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
# Keys in a table of uv's that set another source.
_INDEXES = frozenset({"index", "index-url", "extra-index-url", "find-links"})
_VERSIONS = frozenset({"override-dependencies", "constraint-dependencies"})
_UVS = _INDEXES | _VERSIONS | {"sources", "no-index", "dependency-metadata", "exclude-dependencies"}
_UVS |= {"build-constraint-dependencies"}
_UVS_PIP = _INDEXES | {"no-index", "torch-backend"}
# Keys of Poetry and Pixi for a single dependency.
_ELSEWHERE = frozenset({"git", "path", "file", "url", "source", "index"})
_NOWHERE_ELSE = (("source", "pypi"), ("path", "."), ("path", "./"))
_PIP_TOOLS = frozenset({"index-url", "extra-index-url", "find-links", "no-index", "trusted-host"})
_PIXIS = frozenset({"index-url", "extra-index-urls", "find-links", "no-index", "dependency-overrides"})
_PYPI = re.compile(r"https://pypi\.(?:python\.)?org/simple/?\Z")
# A requirement without a URL.
_BY_NAME = re.compile(r"([A-Za-z0-9][\w.-]*)[^@]*\Z")
# What to commit instead, by the tool that has the table.
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

    :param name: its file name, for errors.
    :param data: its content.
    """

    name: str
    data: Mapping[str, Any]

    @property
    def project(self) -> Mapping[str, Any]:
        """Its table [project]."""
        return _table(self.data, "project")

    def of_uv(self) -> list[str]:
        """List the keys that uv alone follows; explicit indexes count by the sources that name them."""
        explicit = all(_is(each, "explicit") for each in self._indexes())
        pip = {"pip"} if _UVS_PIP & _table(self._uv, "pip").keys() else set()
        return sorted((self._uv.keys() & _UVS | pip) - ({"index"} if explicit else set()))

    @property
    def has_uv(self) -> bool:
        """Whether it has a table for uv."""
        return bool(self._uv)

    def indexes(self) -> list[str]:
        """List the keys of `of_uv` that apply to all packages."""
        return [key for key in self.of_uv() if key in _INDEXES or key == "pip"]

    def has_index(self) -> bool:
        """Whether it sets indexes of uv's for all packages."""
        return bool(_INDEXES & (set(self.of_uv()) | _table(self._uv, "pip").keys()))

    def has_default_index(self) -> bool:
        """Whether it sets an index of uv's that replaces the host's."""
        named = any(_is(each, "default") for each in self._indexes())
        return named or "index-url" in self._uv or "index-url" in _table(self._uv, "pip")

    @property
    def _uv(self) -> Mapping[str, Any]:
        return _table(self.data, "tool", "uv")

    def _indexes(self) -> list[Any]:
        return _list(self._uv.get("index"))

    def says_origins(self) -> bool:
        """Whether a tool's own file, or a lockfile, sets a source of anything."""
        return bool(self.of_uv() or {"pypi", "source"} & self.data.keys() or self.name == "pylock.toml")

    def require_no_others(self) -> None:
        """Refuse tables that neither uv nor pip follows.

        :raises ResourceError: there is one.
        """
        for tool, found in self._others():
            raise self.refused(f"[tool.{tool}] {found}", "its tool", _LOCKS[tool])

    def require_nothing_of_uv(self) -> None:
        """Refuse tables of uv's where uv does not install.

        :raises ResourceError: there is one.
        """
        for key in self.of_uv():
            raise self.refused(f"[tool.uv] {key}", "uv, which does not install here,", "uv.lock")

    def require_no_sources(self) -> None:
        """Refuse sources of uv's where uv does not install, after `require_nothing_beside_sources`.

        :raises ResourceError: there are some.
        """
        if "sources" in self._uv:
            raise self.refused("[tool.uv] sources", "uv, which does not install here,", "uv.lock")

    def require_nothing_beside_sources(self, pinned: Collection[str]) -> None:
        """Refuse settings that uv would ignore in a folder that is one requirement of several.

        :param pinned: packages whose version the other requirements pin.
        :raises ResourceError: there is one.
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
        """Yield the local folders and files that it sets as sources.

        :param folder: where it is.
        :raises ResourceError: a path is unclear.
        """
        for line in self.project.get("dependencies", []):
            if found := beside(self.name, str(line), folder):
                yield found
        for each in _table(self._uv, "sources").values():
            for source in each if isinstance(each, list) else [each]:
                if isinstance(source, dict) and "path" in source:
                    yield os.path.normpath(os.path.join(folder, str(source["path"])))

    def refused(self, found: str, who: str, what: str) -> ResourceError:
        """Return the error for a table that would be ignored."""
        return ResourceError(
            f"{self.name}: found {found}, which sets where dependencies come from, and only {who} reads it; without "
            f"it, packages of the same names would come from the index. Commit {what}"
        )

    def _others(self) -> Iterator[tuple[str, str]]:
        """Yield the tables of other tools that set a source other than PyPI, each with its tool."""
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


class CodeTree:
    """The pyproject.toml files in the code of a release.

    :param code: the folder of the code.
    :param parse: reads the file at a path.
    """

    def __init__(self, code: str, parse: Callable[[str], Document]) -> None:
        self._code, self._parse = code, parse

    def local(self, files: Sequence[str], read: requirements.Reader) -> list[Document]:
        """Read the pyproject.toml of each folder of the code that the requirements name, directly or by another one.

        :param files: requirement files and locks in the code.
        :param read: how they are read.
        :raises ResourceError: a folder is missing, or a table would be ignored.
        """
        queue = []
        for folder, line in requirements.folders(files, read):
            real = os.path.realpath(folder)
            if self._is_inside(folder) and self._is_inside(real) and not os.path.exists(real):
                raise ResourceError(f"{line}, but there is no {os.path.relpath(folder, self._code)} in the source")
            queue.append(folder)
        for file in files:
            if os.path.basename(file) == PYPROJECT and (found := self.document(file)):
                queue += found.folders(os.path.dirname(file))
        documents: dict[str, Document | None] = {}
        while queue:
            folder = queue.pop()
            if folder not in documents:
                found = documents[folder] = self.document(f"{folder}/{PYPROJECT}")
                queue += found.folders(folder) if found else ()
        wholes = [self._workspace_of(folder) for folder, found in documents.items() if found]
        return [found for found in (*documents.values(), *wholes) if found]

    def document(self, path: str) -> Document | None:
        """Read a pyproject.toml of the code; None when it is missing.

        :raises ResourceError: it has a table that would be ignored.
        """
        found = self.parsed(*os.path.split(path))
        if found is not None:
            found.require_no_others()
        return found

    def parsed(self, folder: str, name: str) -> Document | None:
        """Read a file of the code, whatever is in it; None when it is missing."""
        path = f"{folder}/{name}"
        if not self._is_inside(path) or source_file.read(self._code, path) is None:
            return None
        return self._parse(path)

    def require_whole(self, folder: str, document: Document) -> None:
        """Refuse a project when a folder above it, such as its uv workspace, has settings that would be ignored.

        :raises ResourceError: it has.
        """
        for parent in self._above(folder):
            read = functools.partial(self.parsed, parent)
            has_lock = os.path.lexists(f"{parent}/uv.lock")
            if found := above(document, os.path.relpath(folder, parent), read, has_lock):
                raise ResourceError(
                    f"{os.path.relpath(folder, self._code)}/{PYPROJECT}: found {found} in the folder "
                    f"{os.path.relpath(parent, self._code)} of the source, which uv would follow and hostsmith would "
                    "ignore; name the uv.lock of that folder in `requirements`"
                )

    def _workspace_of(self, folder: str) -> Document | None:
        """Read the root of a folder's uv workspace: uv follows its sources in the folder, too."""
        for parent in self._above(folder):
            found = self.parsed(parent, PYPROJECT)
            if found and found.has_part(os.path.relpath(folder, parent)):
                return found
        return None

    def _above(self, folder: str) -> Iterator[str]:
        """Yield the parents of a folder inside the code."""
        while self._is_inside(folder := os.path.dirname(folder)):
            yield folder

    def _is_inside(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self._code}/")


def read(path: str, run: Callable[[Sequence[str]], str], python: str) -> Document:
    """Parse a pyproject.toml or a file of its kind.

    :param run: runs a program and returns its output.
    :param python: an interpreter with pip.
    :raises ResourceError: it is not valid TOML.
    """
    return document(os.path.basename(path), json.loads(run([python, "-I", "-c", _READER, path])))


def document(name: str, data: Mapping[str, Any]) -> Document:
    """Return a file as a pyproject.toml; a uv.toml stands for its table [tool.uv]."""
    return Document(name, {"tool": {"uv": data}} if name == "uv.toml" else data)


def _is_for_all(source: Any) -> bool:
    """Whether an index of Poetry, PDM or Rye is not PyPI, and applies to packages that do not name it."""
    if not isinstance(source, dict):
        return True
    named = str(source.get("name", "")).lower() == "pypi" and "url" not in source
    return not (named or source.get("priority") == "explicit" or _PYPI.match(str(source.get("url", ""))))


def _is_elsewhere(entry: Mapping[str, Any]) -> bool:
    """Whether a dependency sets its own source, other than PyPI and the project itself."""
    return any((key, str(entry[key]).lower()) not in _NOWHERE_ELSE for key in _ELSEWHERE & entry.keys())


def _is_of(folder: str, patterns: Any) -> bool:
    """Whether a folder matches a workspace's patterns."""
    found = [os.path.normpath(str(each)) for each in _list(patterns)]
    return any(
        fnmatch.fnmatchcase(folder, each) and ("**" in each or each.count("/") == folder.count("/")) for each in found
    )


def _list(value: Any) -> list[Any]:
    """Wrap a single value in a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def above(below: Document, folder: str, named: Callable[[str], Document | None], has_lock: bool) -> str:
    """Name the setting in a parent folder that uv would follow for a pyproject.toml without a lockfile; else "".

    :param folder: of the pyproject.toml, relative to the parent.
    :param named: reads a file of the parent.
    :param has_lock: whether the parent has a uv.lock.
    """
    own, configuration = named(PYPROJECT), named("uv.toml")
    is_part = own is not None and own.has_part(folder)
    if is_part and has_lock:
        return "uv.lock"
    for document in filter(None, (own, configuration)):
        # uv reads configuration from the nearest parent that has one, also outside of a workspace.
        followed = document.of_uv() if is_part else [] if below.has_uv else document.indexes()
        if followed:
            return f"{document.name} ({followed[0]})"
    return ""


def _is(index: Any, key: str) -> bool:
    """Whether an index has a flag set."""
    return isinstance(index, dict) and index.get(key) is True


def _table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a nested table; empty when it is missing."""
    for key in keys:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data
