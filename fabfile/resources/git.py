"""Checkout of a git repository at a commit."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..contract.secret import Secret
from ..hostkit.linux import filesystem, folders, system
from ..hostkit.programs import git


@dataclass(frozen=True)
class GitCheckout(Resource):
    """A working tree of a git repository at one revision, without local changes.

    :param path: of the working tree; an existing one must be of the same repository.
    :param repository: URL, which may be a Secret, or a path on the host; its login is never on a command line.
    :param revision: full commit id, or a tag or branch, which is looked up in the remote at every run.
    :param user: user to run git as, who owns the files; None: root, in a folder that only root can change.
    :param timeout: limit in seconds for each command of git.
    """

    path: str
    repository: str | Secret
    revision: str
    user: str | None = None
    timeout: int = 1800

    def describe(self) -> str:
        return f"git checkout {self.path}"

    def check(self) -> Change | None:
        if self.user is None and os.path.isdir(os.path.dirname(self.path)):
            # git runs hooks that it finds there.
            folders.require_trusted(os.path.dirname(self.path))
        if not os.path.exists(self.path):
            return Change(f"cloned at {self.revision}", self._clone, self._remove)
        if not os.path.isdir(f"{self.path}/.git"):
            raise ResourceError(f"{self.path} exists and is not a git working tree; remove it, or name another path")
        now, wanted = self._in(self.path, "rev-parse", "HEAD"), self._wanted()
        dirty = bool(self._in(self.path, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"))
        if now == wanted and not dirty:
            return None
        summary = f"{now[:12]} -> {wanted[:12]}" + (", local changes dropped" if dirty else "")
        return Change(summary, lambda: self._move(wanted), lambda: self._checkout(self.path, now))

    def _wanted(self) -> str:
        if re.fullmatch("[0-9a-f]{40}", self.revision):
            return self.revision
        # In git's own order; the first is the commit of an annotated tag.
        names = [f"refs/tags/{self.revision}^{{}}", f"refs/tags/{self.revision}", f"refs/heads/{self.revision}"]
        names += ["HEAD"] if self.revision == "HEAD" else []
        listed = [line.split("\t") for line in self._git("ls-remote", "--", self._url, *names).splitlines()]
        # git also lists refs that only end with one of the names.
        commits = {ref: commit for commit, ref in listed}
        for name in names:
            if name in commits:
                return commits[name]
        raise ResourceError(f"there is no revision {self.revision!r} in {self._url}")

    def _clone(self) -> None:
        """Clone aside and rename, so that an interrupted clone is not taken for a working tree."""
        folders.remove(self._aside)
        self._git("clone", "--quiet", "--no-checkout", "--", self._url, self._aside)
        self._checkout(self._aside, self._wanted())
        filesystem.move(self._aside, self.path)

    @property
    def _url(self) -> str:
        return git.without_login(self.repository)[0]

    @property
    def _aside(self) -> str:
        return f"{self.path.rstrip('/')}.cloning"

    def _move(self, commit: str) -> None:
        heads = "+refs/heads/*:refs/remotes/origin/*"
        # Pruned, because a deleted branch `a` would block a branch `a/b`.
        self._in(self.path, "fetch", "--quiet", "--prune", "--tags", "--force", "--", self._url, heads)
        self._checkout(self.path, commit)

    def _checkout(self, folder: str, commit: str) -> None:
        self._in(folder, "checkout", "--quiet", "--force", "--detach", commit)

    def _remove(self) -> None:
        for folder in (self._aside, self.path):
            folders.remove(folder)

    def _in(self, folder: str, *arguments: str) -> str:
        return self._git("-C", folder, *arguments)

    def _git(self, *arguments: str) -> str:
        env = {**git.ENVIRONMENT, **git.without_login(self.repository)[1]}
        done = system.run(["git", *arguments], user=self.user, env=env, timeout=self.timeout)
        return done.stdout.decode().strip()
