"""File with given content, owner and mode."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from ..contract.base import Change, Resource, ResourceError
from ..contract.secret import Secret
from ..hostkit.linux import filesystem, system
from .found import FoundFile, FoundNothing

_DIFF_LIMIT = 200_000


@dataclass(frozen=True)
class File(Resource):
    """A regular file.

    :param path: absolute path; its folder must exist.
    :param content: text (UTF-8), bytes, or a `Secret`, whose content is never shown in a diff.
    :param mode: permission bits; None keeps those of an existing file, or 0644 for a new one.
    :param owner: user; None keeps the existing one, or root.
    :param group: group; None keeps the existing one, or the owner's.
    """

    path: str
    content: str | bytes | Secret = field(repr=False)
    mode: int | None = None
    owner: str | None = None
    group: str | None = None

    def describe(self) -> str:
        return f"file {self.path}"

    def check(self) -> Change | None:
        before = FoundFile.take(self.path)
        after = _bytes(self.content)
        mode = self.mode if self.mode is not None else (before.mode if before else 0o644)
        reasons = []
        if before is None:
            reasons.append("created")
        else:
            if before.content != after:
                reasons.append("content changed")
            if before.mode != mode:
                reasons.append(f"mode {before.mode:04o} -> {mode:04o}")
            if self.owner is not None and system.uid(self.owner) != before.uid:
                reasons.append(f"owner -> {self.owner}")
            if self.group is not None and system.gid(self.group) != before.gid:
                reasons.append(f"group -> {self.group}")
        if not reasons:
            return None
        undo = before or FoundNothing(self.path)
        return Change(", ".join(reasons), self._writer(after, mode, before), undo, self._diff(before, after))

    def _writer(self, content: bytes, mode: int, before: FoundFile | None) -> Callable[[], None]:
        def write() -> None:
            uid = system.passwd(self.owner).pw_uid if self.owner is not None else before.uid if before else os.geteuid()
            gid = system.gid(self.group) if self.group is not None else before.gid if before else None
            if self.group is not None and gid is None:
                raise ResourceError(f"there is no group {self.group!r} on this host")
            if gid is None:
                gid = system.passwd(self.owner).pw_gid if self.owner is not None else os.getegid()
            filesystem.write_atomic(self.path, content, mode=mode, uid=uid, gid=gid)

        return write

    def _diff(self, before: FoundFile | None, after: bytes) -> str:
        old = before.content if before else b""
        if old == after or isinstance(self.content, Secret):
            return ""
        return text_diff(old, after, self.path)


def _bytes(content: str | bytes | Secret) -> bytes:
    if isinstance(content, Secret):
        return content.reveal().encode()
    return content.encode() if isinstance(content, str) else content


def text_diff(old: bytes, new: bytes, path: str) -> str:
    """Return a unified diff of two files; one line when either is binary or too large."""
    try:
        old_text, new_text = old.decode(), new.decode()
    except UnicodeDecodeError:
        return f"binary content of {path} differs: {len(old)} -> {len(new)} bytes\n"
    if len(old) + len(new) > _DIFF_LIMIT:
        return f"content of {path} differs: {len(old)} -> {len(new)} bytes\n"
    lines = difflib.unified_diff(_lines(old_text), _lines(new_text), f"{path} (now)", f"{path} (then)")
    return "".join(lines)


def _lines(text: str) -> list[str]:
    # Not splitlines(), which also splits at a form feed or U+2028.
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([f"{last}\n\\ No newline at end of file\n"] if last else [])
