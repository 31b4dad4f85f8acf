"""A checkout of a git repository at a commit."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..agent import system
from .base import Change, Resource, ResourceError


@dataclass(frozen=True)
class GitCheckout(Resource):
    """A working tree of a git repository, at exactly one revision, without local changes.

    :param path: where the working tree is; an existing one must be of the same repository.
    :param repository: URL, or a path on the host.
    :param revision: full commit id, or a tag or branch, which then is looked up in the remote at every run.
    :param user: user to run git as, who then owns the files; None: root.
    """

    path: str
    repository: str
    revision: str
    user: str | None = None

    def describe(self) -> str:
        return f"git checkout {self.path}"

    def check(self) -> Change | None:
        if not os.path.exists(self.path):
            return Change(f"cloned at {self.revision}", self._clone, self._remove)
        if not os.path.isdir(f"{self.path}/.git"):
            raise ResourceError(f"{self.path} is there and is not a git working tree; remove it, or name another path")
        now, wanted = self._git("rev-parse", "HEAD"), self._wanted()
        dirty = bool(self._git("status", "--porcelain", "--untracked-files=no"))
        if now == wanted and not dirty:
            return None
        summary = f"{now[:12]} -> {wanted[:12]}" + (", local changes dropped" if dirty else "")
        return Change(summary, lambda: self._move(wanted), lambda: self._checkout(now))

    def _wanted(self) -> str:
        if len(self.revision) == 40 and all(c in "0123456789abcdef" for c in self.revision):
            return self.revision
        listed = self._git("ls-remote", "--", self.repository, self.revision, f"{self.revision}^{{}}").splitlines()
        if not listed:
            raise ResourceError(f"there is no revision {self.revision!r} in {self.repository}")
        # The peeled line of an annotated tag, the commit that it names, comes after the tag itself.
        return listed[-1].split()[0]

    def _clone(self) -> None:
        system.run(["git", "clone", "--quiet", "--no-checkout", "--", self.repository, self.path],
                   user=self.user, env=self._env())  # fmt: skip
        self._checkout(self._wanted())

    def _move(self, commit: str) -> None:
        self._git(
            "fetch",
            "--quiet",
            "--tags",
            "--force",
            "--",
            self.repository,
            "+refs/heads/*:refs/remotes/origin/*",
        )
        self._checkout(commit)

    def _checkout(self, commit: str) -> None:
        self._git("checkout", "--quiet", "--force", "--detach", commit)

    def _remove(self) -> None:
        if os.path.isdir(self.path):
            system.run(["rm", "-rf", "--", self.path])

    def _git(self, *arguments: str) -> str:
        argv = ["git", "-C", self.path, *arguments]
        return system.run(argv, user=self.user, env=self._env()).stdout.decode().strip()

    def _env(self) -> dict[str, str]:
        env = {"GIT_TERMINAL_PROMPT": "0"}
        if self.user is not None:
            env["HOME"] = system.passwd(self.user).pw_dir
        return env
