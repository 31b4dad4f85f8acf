"""Difference between two commits, by git on a host or on the deploying machine."""

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
    """A commit for display.

    :param date: of its authorship, "YYYY-MM-DD".
    """

    id: str
    date: str
    author: str
    subject: str

    def __str__(self) -> str:
        text = f"{self.id[:7]} {self.date} {self.author}: {self.subject}"
        # A commit's text must not control the terminal.
        return "".join(letter if letter.isprintable() else "?" for letter in text)


@dataclass(frozen=True)
class Difference:
    """The difference between two commits.

    :param new: commits that only the second has, the newest first.
    :param gone: commits that only the first has.
    :param files: those of the given files that differ.
    """

    new: tuple[Commit, ...]
    gone: tuple[Commit, ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, data: dict[str, Any]) -> Difference:
        """Read what `dataclasses.asdict` returned."""
        new, gone = (tuple(Commit(**commit) for commit in data[name]) for name in ("new", "gone"))
        return cls(new, gone, tuple(data["files"]))


def between(git: Callable[..., str], old: str, new: str, files: Sequence[str]) -> Difference | None:
    """Compare two commits in git's working folder; None when the first is missing.

    :param git: runs git with arguments and `stdin`, and returns its output.
    :param files: files to compare.
    """
    if not _ID.fullmatch(old):
        return None
    answer = git("cat-file", "--batch-check=%(objectname)", stdin=f"{old}^{{commit}}\n".encode()).strip()
    if answer.endswith(" missing"):
        return None
    changed = git("diff-tree", "-r", "-z", "--name-only", "--relative", answer, new, "--", *files).split("\0")
    # For a whole repository, commits without a change are listed, too.
    paths = ["."] if git("rev-parse", "--show-prefix").strip() else []
    return Difference(
        _commits(git, f"{answer}..{new}", paths),
        _commits(git, f"{new}..{answer}", paths),
        tuple(name for name in files if posixpath.normpath(name) in changed),
    )


def _commits(git: Callable[..., str], span: str, paths: Sequence[str]) -> tuple[Commit, ...]:
    # Not `git log`, which follows the user's own configuration. A line with the full id precedes each commit.
    lines = git("rev-list", "--encoding=UTF-8", f"--format={_FORMAT}", span, "--", *paths).split("\n")
    return tuple(Commit(*line.split("\0")) for line in lines[1::2])
