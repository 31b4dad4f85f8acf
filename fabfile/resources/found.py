"""Files and links as they were found, to be put back: by the run itself, by the next one, or by a boot."""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass, field

from ..contract.base import PutBack, ResourceError
from ..hostkit.linux import filesystem

# systemd-tmpfiles gives up a whole file for a line of more than 1 MB.
_LONGEST_LINE = 500_000
_LONGEST_TEXT = 4000
# Bytes of a file that stand for themselves in tmpfiles.d; a "-" alone would be no argument.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._,:;=+@")


@dataclass(frozen=True)
class FoundNothing(PutBack):
    """A path at which there was nothing."""

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
        """What is at a path; None when nothing is.

        :raises ResourceError: something else than a file is.
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
        # systemd refuses a longer text when it looks for what to expand in it. Base64 it only decodes, which versions
        # before that of Debian 12 may not know.
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
        # The target stands there as it is, from its first letter to the end of the line.
        if self.target != self.target.strip():
            return []
        return _at_boot(self.path, f'L+! "{self.path}" - - - - {self.target.replace("%", "%%")}')


@dataclass(frozen=True)
class Removed(PutBack):
    """A file or link that was taken away: it comes back unless something else has come in its place."""

    found: FoundFile | FoundLink

    def describe(self) -> str:
        return self.found.describe()

    def __call__(self) -> None:
        if filesystem.at(self.found.path) is None:
            self.found()

    def at_boot(self) -> list[str]:
        return [line.replace("+", "", 1) for line in self.found.at_boot()]


def _at_boot(path: str, line: str) -> list[str]:
    """A line of tmpfiles.d; none when it cannot be said there, so that it is the next run's work alone.

    Nor in a folder that another user can change: whatever they put there meanwhile, a boot would follow.
    """
    plain = line.isascii() and line.isprintable() and not set('"\\%') & set(path)
    return [line] if plain and len(line) < _LONGEST_LINE and filesystem.is_trusted(os.path.dirname(path)) else []


def _pattern(path: str) -> str:
    """A path where tmpfiles.d takes a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _escaped(data: bytes) -> str:
    """Bytes as C writes them, and without what systemd expands."""
    return "".join(chr(byte) if byte in _PLAIN else "%%" if byte == 0x25 else f"\\x{byte:02x}" for byte in data)
