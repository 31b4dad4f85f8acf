"""Code to deploy: a revision of a local repository, or a plain folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..errors import SourceError
from ..hostkit.programs.history import Difference, between

_SHOWN_FILES = 10
# Files beside the code in a folder that is not in git, and so has no list of ignored files.
_NEVER_CODE = (".venv/", "venv/", "node_modules/", "__pycache__/", "*.pyc", ".env")


@dataclass(frozen=True)
class Source:
    """One state of the code.

    :param name: id of its tree, or of its commit when hosts fetch it.
    :param revision: what it was taken from, for people: a commit, with "+dirty" when the tree had more.
    :param subject: first line of that commit's message.
    """

    name: str
    revision: str
    subject: str

    @property
    def short(self) -> str:
        """A few letters that tell it from others, for a release's id."""
        commit, plus, dirty = self.revision.partition("+")
        return commit[:7] + (f"-{dirty}" if plus else "")


class LocalSource:
    """A local folder, in a git repository or not, whose state is taken once and sent to many hosts.

    Used in a `with` block. What is sent is the folder's tree, so that it may be part of a larger repository, and a
    host that has an earlier tree gets only the difference.

    :param folder: the folder.
    :param revision: branch, tag or commit; "HEAD" for what is checked out.
    :param dirty: take the files as they are, with what is not committed, except what git ignores.
    :raises SourceError: no such folder or revision, or the tree is dirty and may not be.
    """

    def __init__(self, folder: Path, revision: str, dirty: bool) -> None:
        self._folder, self._revision, self._dirty = folder, revision, dirty
        self._cleanup = ExitStack()
        self._git_dir: str | None = None

    def __enter__(self) -> LocalSource:
        with ExitStack() as stack:
            self.source = self._take(stack)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._cleanup.close()

    def pack(self, known: Sequence[str]) -> bytes:
        """A git pack with what a host lacks.

        :param known: ids of the trees and commits that it has.
        """
        asked = "".join(f"{name}\n" for name in known).encode()
        found = self._git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).decode().splitlines()
        shared = [line.split()[0] for line in found if not line.endswith(" missing")]
        wanted = "".join(f"{line}\n" for line in [self.source.name, *(f"^{name}^{{tree}}" for name in shared)])
        argv = ("pack-objects", "--quiet", "--revs", "--stdout", "--thin", "--delta-base-offset")
        return self._git(*argv, stdin=wanted.encode())

    @property
    def is_in_git(self) -> bool:
        """Whether the folder has a history."""
        return self._git_dir is None

    def since(self, revision: str, files: Sequence[str]) -> Difference | None:
        """The way to this state of the folder, without what is not committed; None when the beginning is unknown here.

        :param revision: the revision that a release was taken from.
        :param files: files, relative to the folder, whose content is compared.
        """
        if not self.is_in_git:
            return None
        return between(self._text, revision.partition("+")[0], self.source.revision.partition("+")[0], files)

    def _take(self, stack: ExitStack) -> Source:
        if not self._folder.is_dir():
            raise SourceError(f"source: {self._folder} is not a folder")
        if not self._is_in_repository():
            return self._take_plain_folder(stack)
        if self._dirty and self._revision != "HEAD":
            raise SourceError(
                f"--dirty deploys what is checked out, with its changes; leave it out to deploy {self._revision!r}"
            )
        changed = self._git("status", "--porcelain", "--", ".").decode().splitlines()
        if changed and self._dirty:
            return self._take_dirty_tree(stack)
        if changed and self._revision == "HEAD":
            more = [f"    ... and {len(changed) - _SHOWN_FILES} more"] if len(changed) > _SHOWN_FILES else []
            listing = "\n".join([f"    {line}" for line in changed[:_SHOWN_FILES]] + more)
            raise SourceError(
                f"{self._folder} has changes that are not committed:\n{listing}\n"
                "commit them, or deploy the files as they are with --dirty"
            )
        return self._take_revision()

    def _is_in_repository(self) -> bool:
        try:
            return self._git("rev-parse", "--is-inside-work-tree").strip() == b"true"
        except SourceError as error:
            if "not a git repository" in str(error):
                return False
            raise

    def _take_revision(self) -> Source:
        commit = self._commit(self._revision)
        prefix = self._git("rev-parse", "--show-prefix").decode().strip()
        try:
            tree = self._git("rev-parse", "--verify", "--quiet", f"{commit}:{prefix}").decode().strip()
        except SourceError:
            raise SourceError(f"{self._folder} is not part of revision {self._revision}") from None
        return Source(tree, commit, self._subject(commit))

    def _take_dirty_tree(self, stack: ExitStack) -> Source:
        commit = self._commit("HEAD")
        prefix = self._git("rev-parse", "--show-prefix").decode().strip()
        index = f"{stack.enter_context(tempfile.TemporaryDirectory(prefix='hostsmith-'))}/index"
        env = {"GIT_INDEX_FILE": index}
        self._git("read-tree", commit, env=env)
        self._git("add", "--all", "--", ".", env=env)
        tree = self._git("write-tree", *([f"--prefix={prefix}"] if prefix else []), env=env).decode().strip()
        return Source(tree, f"{commit}+dirty", self._subject(commit))

    def _take_plain_folder(self, stack: ExitStack) -> Source:
        """Store a folder that is in no repository in a temporary one, for the length of the deploy."""
        if self._revision != "HEAD":
            raise SourceError(f"{self._folder} is not in a git repository, so it has no revision {self._revision!r}")
        git_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="hostsmith-"))
        self._git("init", "--quiet", "--bare", git_dir)
        self._git_dir = git_dir
        exclude = Path(git_dir, "info", "exclude")
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text("".join(f"{pattern}\n" for pattern in _NEVER_CODE), encoding="utf-8")
        self._git("add", "--all", "--", ".")
        tree = self._git("write-tree").decode().strip()
        return Source(tree, tree, "a folder that is not in git")

    def _commit(self, revision: str) -> str:
        try:
            name = f"{revision}^{{commit}}"
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", name).decode().strip()
        except SourceError:
            raise SourceError(
                f"there is no revision {revision!r} in {self._folder}; `git log --oneline` and `git branch` list them"
                if revision != "HEAD"
                else f"{self._folder} is in a git repository without a commit; commit first, or use --dirty after one"
            ) from None

    def _subject(self, commit: str) -> str:
        return self._git("log", "-1", "--format=%s", commit).decode().strip()

    def _text(self, *arguments: str, stdin: bytes = b"") -> str:
        return self._git(*arguments, stdin=stdin).decode("utf-8", "replace").strip()

    def _git(self, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> bytes:
        argv = ["git", "-C", str(self._folder)]
        if self._git_dir is not None:
            argv += [f"--git-dir={self._git_dir}", f"--work-tree={self._folder}"]
        # In a git hook, git's own variables point to the repository that the hook belongs to.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment = {**inherited, "LC_ALL": "C.UTF-8", **(env or {})}
        try:
            # In a separate session, so that Ctrl-C reaches us, and is not taken for an error of git.
            done = subprocess.run(
                [*argv, *arguments],
                input=stdin,
                env=environment,
                capture_output=True,
                check=False,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise SourceError("git is not installed here; install it (apt-get install git)") from None
        if done.returncode:
            error = done.stderr.decode("utf-8", "replace").strip()
            raise SourceError(f"git {arguments[0]} failed in {self._folder}: {error}")
        return done.stdout
