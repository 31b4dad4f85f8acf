"""What lies between two commits; asked of git on a host, or on the machine that deploys."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_ID = re.compile(r"[0-9a-f]{40,64}")
_FORMAT = "%H%x00%as%x00%an%x00%s"


@dataclass(frozen=True)
class Commit:
    """A commit as people are shown it.

    :param date: when it was written, "YYYY-MM-DD".
    """

    id: str
    date: str
    author: str
    subject: str

    def __str__(self) -> str:
        text = f"{self.id[:7]} {self.date} {self.author}: {self.subject}"
        # Whoever writes a commit must have no say in what the terminal does.
        return "".join(letter if letter.isprintable() else "?" for letter in text)


@dataclass(frozen=True)
class Difference:
    """The way from one commit to another.

    :param new: commits that only the second has, the newest first.
    :param gone: commits that only the first has.
    :param files: those of the files asked for that are not the same.
    """

    new: tuple[Commit, ...]
    gone: tuple[Commit, ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, data: dict[str, Any]) -> Difference:
        """The inverse of `dataclasses.asdict`."""
        new, gone = (tuple(Commit(**commit) for commit in data[name]) for name in ("new", "gone"))
        return cls(new, gone, tuple(data["files"]))


def between(git: Callable[..., str], old: str, new: str, files: Sequence[str]) -> Difference | None:
    """What is different between two commits, in the folder that git runs in; None when the first is not there.

    :param git: runs git with arguments and `stdin`, and returns what it printed.
    :param files: files that are looked at more closely.
    """
    if not _ID.fullmatch(old):
        return None
    answer = git("cat-file", "--batch-check=%(objectname)", stdin=f"{old}^{{commit}}\n".encode()).strip()
    if answer.endswith(" missing"):
        return None
    changed = git("diff-tree", "-r", "-z", "--name-only", "--relative", answer, new, "--", *files).split("\0")
    # Of a whole repository, commits without a change are told, too.
    paths = ["."] if git("rev-parse", "--show-prefix").strip() else []
    return Difference(
        _commits(git, f"{answer}..{new}", paths),
        _commits(git, f"{new}..{answer}", paths),
        tuple(name for name in files if posixpath.normpath(name) in changed),
    )


def _commits(git: Callable[..., str], span: str, paths: Sequence[str]) -> tuple[Commit, ...]:
    # Not `git log`, which heeds the user's own configuration. A line with the full id precedes each.
    lines = git("rev-list", "--encoding=UTF-8", f"--format={_FORMAT}", span, "--", *paths).split("\n")
    return tuple(Commit(*line.split("\0")) for line in lines[1::2])
