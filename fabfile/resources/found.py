"""Snapshots of files and links, restored by a run or by a boot."""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass, field

from ..contract.base import PutBack, ResourceError
from ..hostkit.linux import filesystem, folders

# systemd-tmpfiles gives up a whole file for a line of more than 1 MB.
_LONGEST_LINE = 500_000
_LONGEST_TEXT = 4000
# Bytes that tmpfiles.d needs not escaped; a "-" alone would mean no argument.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._,:;=+@")


@dataclass(frozen=True)
class FoundNothing(PutBack):
    """A path that did not exist."""

    path: str

    def describe(self) -> str:
        return self.path

    def __call__(self) -> None:
        filesystem.remove(self.path)

    def at_boot(self) -> list[str]:
        return _at_boot(self.path, f'r! "{_pattern(self.path)}"')


@dataclass(frozen=True)
class FoundFile(PutBack):
    """A regular file."""

    path: str
    content: bytes = field(repr=False)
    mode: int
    uid: int
    gid: int

    @classmethod
    def take(cls, path: str) -> FoundFile | None:
        """Take a snapshot of a path; None when it does not exist.

        :raises ResourceError: it is not a regular file.
        """
        found = filesystem.at(path)
        if found is None:
            return None
        if not stat.S_ISREG(found.status.st_mode):
            kind = filesystem.kind(found.status)
            raise ResourceError(f"{path} is a {kind}, expected a regular file; remove it, or name another path")
        status, content = found.status, filesystem.read(path)
        return cls(path, content or b"", stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)

    def describe(self) -> str:
        return self.path

    def __call__(self) -> None:
        found = filesystem.at(self.path)
        if found is None or not stat.S_ISREG(found.status.st_mode) or FoundFile.take(self.path) != self:
            filesystem.write_back(self.path, self.content, mode=self.mode, uid=self.uid, gid=self.gid)

    def at_boot(self) -> list[str]:
        # systemd refuses to expand a longer text. It only decodes base64, which versions before Debian 12's may not
        # support.
        if len(self.content) <= _LONGEST_TEXT and b"\0" not in self.content:
            kind, argument = "f+!", _escaped(self.content)
        else:
            kind, argument = "f+~!", base64.b64encode(self.content).decode()
        return _at_boot(self.path, f'{kind} "{self.path}" {self.mode:04o} {self.uid} {self.gid} - {argument}')


@dataclass(frozen=True)
class FoundLink(PutBack):
    """A symbolic link."""

    path: str
    target: str

    def describe(self) -> str:
        return self.path

    def __call__(self) -> None:
        found = filesystem.at(self.path)
        if found is None or found.target != self.target:
            filesystem.symlink_atomic(self.target, self.path)

    def at_boot(self) -> list[str]:
        # The target is not quoted: it begins with its first letter and ends with the line.
        if self.target != self.target.strip():
            return []
        return _at_boot(self.path, f'L+! "{self.path}" - - - - {self.target.replace("%", "%%")}')


@dataclass(frozen=True)
class Removed(PutBack):
    """A file or link that was removed: it is restored unless its path is in use again."""

    found: FoundFile | FoundLink

    def describe(self) -> str:
        return self.found.describe()

    def __call__(self) -> None:
        if filesystem.at(self.found.path) is None:
            self.found()

    def at_boot(self) -> list[str]:
        return [line.replace("+", "", 1) for line in self.found.at_boot()]


def _at_boot(path: str, line: str) -> list[str]:
    """Return a line of tmpfiles.d; none when it cannot be written there, and only the next run restores the path.

    Nor for a folder that another user can change, since a boot would follow a link there.
    """
    plain = line.isascii() and line.isprintable() and not set('"\\%') & set(path)
    return [line] if plain and len(line) < _LONGEST_LINE and folders.is_trusted(os.path.dirname(path)) else []


def _pattern(path: str) -> str:
    """Escape a path for a pattern of tmpfiles.d."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _escaped(data: bytes) -> str:
    """Escape bytes like C, and what systemd would expand."""
    return "".join(chr(byte) if byte in _PLAIN else "%%" if byte == 0x25 else f"\\x{byte:02x}" for byte in data)
