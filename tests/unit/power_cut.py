"""A disk as the kernel sees it: what was written, and what of that a power cut would lose."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

Key = tuple[int, int]


class Disk:
    """The calls by which this process changes files, each noted before what it lacks is forgotten.

    POSIX promises little: a file's content is on the disk after an fsync(2) of the file, and a name (made, replaced or
    removed) after one of its folder.

    :param early: files that got their name before their content was on the disk.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._written: dict[Key, str] = {}
        self._named: dict[Key, set[str]] = {}
        self._temporary: set[tuple[Key, str]] = set()
        # Files that were reached as the agent reaches them: by their folder's descriptor.
        self._reached: set[Key] = set()
        self._watchers: list[Callable[[str, str], None]] = []
        self.early: list[str] = []
        self._real: dict[str, Any] = {}
        for name in ("open", "write", "ftruncate", "fsync", "replace", "symlink", "unlink", "link"):
            self._real[name] = getattr(os, name)
            monkeypatch.setattr(os, name, getattr(self, f"_{name}"))

    def watch(self, look: Callable[[str, str], None]) -> None:
        """Have a function called with each name before it is replaced, made or removed, and the folder's path."""
        self._watchers.append(look)

    @property
    def lost(self) -> list[str]:
        """The names that a power cut would lose, or the content of, as they were found last."""
        names = [name for names in self._named.values() for name in names]
        return sorted({*names, *self._written.values()})

    def _key(self, fd: int) -> Key:
        status = os.fstat(fd)
        return status.st_dev, status.st_ino

    def _path(self, fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    def _change(self, fd: int | None, name: str) -> None:
        assert fd is not None, "each name is reached by its folder's descriptor"
        for look in self._watchers:
            look(self._path(fd), name)
        self._named.setdefault(self._key(fd), set()).add(name)

    def _forget(self, fd: int, name: str) -> None:
        """A name that nobody but us knew is gone again."""
        names = self._named.get(self._key(fd), set())
        names.discard(name)
        if not names:
            self._named.pop(self._key(fd), None)

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if dir_fd is not None:
            self._reached.add(self._key(fd))
        if flags & os.O_EXCL and dir_fd is not None:
            self._temporary.add((self._key(dir_fd), str(path)))
            self._named.setdefault(self._key(dir_fd), set()).add(str(path))
            self._written[self._key(fd)] = str(path)
        return fd

    def _write(self, fd: int, data: Any) -> int:
        if self._key(fd) in self._reached:
            self._written[self._key(fd)] = os.path.basename(self._path(fd))
        return int(self._real["write"](fd, data))

    def _ftruncate(self, fd: int, length: int) -> None:
        self._written[self._key(fd)] = os.path.basename(self._path(fd))
        self._real["ftruncate"](fd, length)

    def _fsync(self, fd: int) -> None:
        self._real["fsync"](fd)
        self._written.pop(self._key(fd), None)
        self._named.pop(self._key(fd), None)

    def _replace(self, old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        status = os.stat(old, dir_fd=src_dir_fd, follow_symlinks=False)
        key = (status.st_dev, status.st_ino)
        if key in self._written:
            self.early.append(new)
            self._written[key] = new
        self._change(dst_dir_fd, new)
        self._real["replace"](old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if (self._key(src_dir_fd), old) in self._temporary:
            self._forget(src_dir_fd, old)
        else:
            self._named.setdefault(self._key(src_dir_fd), set()).add(old)

    def _symlink(self, target: str, path: str, *, dir_fd: int) -> None:
        self._real["symlink"](target, path, dir_fd=dir_fd)
        self._temporary.add((self._key(dir_fd), path))
        self._named.setdefault(self._key(dir_fd), set()).add(path)

    def _link(self, old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool) -> None:
        self._change(dst_dir_fd, new)
        self._real["link"](old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        if dir_fd is None:
            self._real["unlink"](path)
            return
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        if (self._key(dir_fd), path) in self._temporary:
            self._real["unlink"](path, dir_fd=dir_fd)
            self._forget(dir_fd, path)
            return
        self._change(dir_fd, path)
        self._real["unlink"](path, dir_fd=dir_fd)
