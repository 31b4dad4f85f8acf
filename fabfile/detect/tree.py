"""Files of a project as texts and syntax trees, never imported or run."""

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

_LARGEST = 1_000_000  # bytes, more than any module written by hand
_MOST_FILES = 5_000
_LONGEST_SHOWN = 60  # characters of a line
_DEEPEST = 6
# Folders with modules of others, or without any that serve a site.
_SKIPPED = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv", "env"}
    | {"migrations", "versions", "tests", "test", "docs", "examples"}
)


@dataclass(frozen=True)
class Module:
    """A Python file.

    :param path: relative to the project folder, with slashes.
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
        """Top-level packages and modules that are imported."""
        nodes = list(ast.walk(self.syntax))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
        return frozenset(name.partition(".")[0] for name in names)

    def line(self, node: ast.stmt) -> str:
        """Return the first line of a statement, shortened."""
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        return cut(line.strip().removesuffix(":"), _LONGEST_SHOWN)


@dataclass
class Tree:
    """Files of a project folder.

    :param unread: files that could not be read, each with the reason.
    """

    root: Path
    unread: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def files(self) -> list[str]:
        """All files, the upper ones first, without skipped folders."""
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
            elif depth and entry.is_dir(follow_symlinks=False) and not self._is_skipped(entry):
                yield from self._below(path, depth - 1)

    @staticmethod
    def _is_skipped(entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith(".") or name in _SKIPPED or name.endswith(".egg-info"):
            return True
        return os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))

    def has(self, path: str) -> bool:
        """Whether a file exists."""
        return (self.root / path).is_file()

    def has_folder(self, path: str) -> bool:
        """Whether a folder exists."""
        return (self.root / path).is_dir()

    def text(self, path: str) -> str:
        """Read a text file; empty if it is missing or cannot be read."""
        return self._bytes(path).decode("utf-8-sig", "replace")

    def _bytes(self, path: str) -> bytes:
        try:
            if (self.root / path).stat().st_size > _LARGEST:
                self.unread[path] = "it is too large for a file written by hand"
                return b""
            return (self.root / path).read_bytes()
        except OSError as error:
            self.unread[path] = str(error.strerror)
            return b""

    def modules(self, mentioning: re.Pattern[bytes], called: Sequence[str] = ()) -> list[Module]:
        """Find the Python files that mention something, the upper ones first.

        :param called: names of files to read in any case.
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
                # Warnings about the app's style are not for this place.
                warnings.simplefilter("ignore")
                syntax = ast.parse(content)
            return Module(path, syntax, tuple(content.decode("utf-8", "replace").split("\n")))
        except SyntaxError as error:
            place = f"line {error.lineno}" if error.lineno else "it"
            self.unread[path] = f"{place} is not valid Python"
        except (ValueError, RecursionError, MemoryError):
            self.unread[path] = "it is not valid Python"
        return None
