"""A project's folder as it is read: text files and syntax trees, never imported, never run."""

from __future__ import annotations

import ast
import functools
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..printable import cut

_LARGEST = 1_000_000  # bytes; no module that is written by hand has as many
_MOST_FILES = 5_000
_LONGEST_SHOWN = 60  # characters of a line
_DEEPEST = 6
# Folders whose modules are not the app's own, or that do not serve a site.
_PASSED_OVER = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv", "env"}
    | {"migrations", "versions", "tests", "test", "docs", "examples"}
)


@dataclass(frozen=True)
class Module:
    """A Python file.

    :param path: seen from the project's folder, with slashes.
    """

    path: str
    syntax: ast.Module
    lines: tuple[str, ...]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def file(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def imports(self) -> frozenset[str]:
        """The packages and modules that are imported, without what is within them."""
        nodes = list(ast.walk(self.syntax))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
        return frozenset(name.partition(".")[0] for name in names)

    def line(self, node: ast.stmt) -> str:
        """The line on which a statement begins, no longer than it needs to be told apart."""
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        return cut(line.strip().removesuffix(":"), _LONGEST_SHOWN)


@dataclass
class Tree:
    """The files of a project's folder.

    :param unread: Python files that could not be read, each with the reason.
    """

    root: Path
    unread: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def files(self) -> list[str]:
        """All files but those of folders that are not the project's own, the upper ones first."""
        found = sorted(self._below("", _DEEPEST), key=lambda path: (path.count("/"), path))
        return found[:_MOST_FILES]

    def _below(self, folder: str, depth: int) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(self.root / folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_file():
                yield path
            elif depth and entry.is_dir(follow_symlinks=False) and not self._is_passed_over(entry):
                yield from self._below(path, depth - 1)

    @staticmethod
    def _is_passed_over(entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith(".") or name in _PASSED_OVER or name.endswith(".egg-info"):
            return True
        return os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return (self.root / path).is_file()

    def has_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        return (self.root / path).is_dir()

    def text(self, path: str) -> str:
        """The content of a text file; empty when there is none, or none that can be read."""
        return self._bytes(path).decode("utf-8-sig", "replace")

    def _bytes(self, path: str) -> bytes:
        try:
            if (self.root / path).stat().st_size > _LARGEST:
                self.unread[path] = "it is too large for a file that was written by hand"
                return b""
            return (self.root / path).read_bytes()
        except OSError as error:
            self.unread[path] = str(error.strerror)
            return b""

    def modules(self, mentioning: re.Pattern[bytes], called: Sequence[str] = ()) -> list[Module]:
        """The Python files in which something is mentioned, the upper ones first.

        :param called: names of files that are read in any case.
        """
        found = []
        for path in self.files:
            if path.endswith(".py"):
                content = self._bytes(path)
                wanted = path.rpartition("/")[2] in called or mentioning.search(content)
                module = self._parsed(path, content) if wanted else None
                found += [module] if module else []
        return found

    def _parsed(self, path: str, content: bytes) -> Module | None:
        try:
            with warnings.catch_warnings():
                # What Python has to say of the app's own style is not for here.
                warnings.simplefilter("ignore")
                syntax = ast.parse(content)
            return Module(path, syntax, tuple(content.decode("utf-8", "replace").split("\n")))
        except SyntaxError as error:
            self.unread[path] = f"line {error.lineno} is no valid Python" if error.lineno else "it is no valid Python"
        except (ValueError, RecursionError, MemoryError):
            self.unread[path] = "it is no valid Python"
        return None
