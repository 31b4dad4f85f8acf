"""git on the host: a bare repository per app, what it has, fetching into it and checking out of it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ...contract import redact
from ...contract.base import ResourceError
from ...contract.secret import Secret
from ..linux import filesystem, system

# What a release was made of is kept from git's garbage collection by a ref of its own.
RELEASE_REFS = "refs/hostsmith"
_REMOTE_HEAD = "refs/remotes/origin/HEAD"
# Nobody is there to answer a question, and a server that says nothing for half a minute is given up.
ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "30"}
# Seconds that a fetch may take, unless told otherwise.
FETCH_TIMEOUT = 1800.0
# As many as git itself leaves side by side.
MANY_PACKS = 50


# A credential helper, by which git asks for a login: it is told by variables, which nobody but root can read.
_HELPER = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$HOSTSMITH_GIT_USER" "$HOSTSMITH_GIT_PASSWORD"; }; f'
)


def without_login(url: str | Secret) -> tuple[str, dict[str, str]]:
    """A URL as it may stand on a command line, and the environment by which git knows the login that was in it.

    git itself would pass the login on, on the command lines of what it starts.

    :raises ResourceError: the login cannot be told to git.
    """
    text = url.reveal() if isinstance(url, Secret) else url
    found = re.fullmatch(r"(https?://)([^/]*)@([^/]*)(.*)", text, re.DOTALL | re.IGNORECASE)
    if not found:
        return text, {}
    user, _, password = (unquote(part) for part in found[2].partition(":"))
    for secret in (found[2], password, *(() if password else (user,))):
        redact.remember(Secret(secret))
    if not f"{user}{password}".isprintable():
        raise ResourceError("found control characters in the login of a git URL, expected none")
    # For this server alone: git asks again where it is sent on to another one.
    section = f"credential.{found[1]}{found[3]}"
    options = [(f"{section}.helper", ""), (f"{section}.helper", _HELPER)]
    if not password:
        # What root has set up on the host may know it.
        options = [(f"{section}.username", user), (f"{section}.helper", _HELPER)]
    env = {"GIT_CONFIG_COUNT": str(len(options)), "HOSTSMITH_GIT_USER": user, "HOSTSMITH_GIT_PASSWORD": password}
    for number, (key, value) in enumerate(options):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return f"{found[1]}{found[3]}{found[4]}", env


@dataclass(frozen=True)
class Repository:
    """A bare repository.

    :param path: its folder.
    :param ssh: folder with `id_ed25519` (a deploy key) and `known_hosts` for fetching over SSH; None: root's own.
    """

    path: str
    ssh: str | None = None

    def git(
        self, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None, timeout: float | None = None
    ) -> str:
        """Run git in the repository.

        :param timeout: seconds that it may take.
        :returns: what it printed, stripped.
        :raises ResourceError: it failed.
        """
        argv = ["git", f"--git-dir={self.path}", *arguments]
        done = system.run(argv, stdin=stdin, env={**self._env(), **(env or {})}, timeout=timeout)
        return done.stdout.decode("utf-8", "replace").strip()

    def create(self) -> None:
        """Make the repository unless it is there, and clear away what a git that was killed has left in it."""
        if not os.path.exists(f"{self.path}/HEAD"):
            system.run(["git", "init", "--quiet", "--bare", self.path])
        # The host's lock is ours, so these are nobody's; the first would keep git from working, the others take room.
        for pattern in ("**/*.lock", "objects/pack/tmp_*", "objects/??/tmp_*"):
            for path in Path(self.path).glob(pattern):
                path.unlink(missing_ok=True)

    def objects(self) -> list[str]:
        """Ids of the commits and trees that releases on this host were made of."""
        if not os.path.exists(f"{self.path}/HEAD"):
            return []
        return self.git("for-each-ref", "--format=%(objectname)", RELEASE_REFS).split()

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        try:
            self.git("cat-file", "-e", "--end-of-options", name)
        except system.CommandError:
            return False
        return True

    def receive(self, pack: bytes) -> None:
        """Add the objects of a pack, which may be thin."""
        self.git("index-pack", "--stdin", "--fix-thin", stdin=pack)

    def packs(self) -> set[str]:
        """Names of the files that packs are made of."""
        with contextlib.suppress(FileNotFoundError):
            return set(os.listdir(f"{self.path}/objects/pack"))
        return set()

    def drop_packs(self, names: set[str]) -> None:
        """Remove packs of which nothing is kept."""
        for name in names:
            Path(f"{self.path}/objects/pack/{name}").unlink(missing_ok=True)

    def fetch(self, url: str | Secret, timeout: float = FETCH_TIMEOUT) -> None:
        """Bring branches, tags and the default branch of a remote repository up to date.

        :param url: secret when there is a login in it.
        :param timeout: seconds that it may take.
        :raises ResourceError: it cannot be reached or read, with git's own error.
        """
        self.create()
        bare, env = without_login(url)
        refs = ["+HEAD:" + _REMOTE_HEAD, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        try:
            # In a pack, however few there are, for `tidy` to see.
            options = ["-c", "fetch.unpackLimit=1"]
            self.git(*options, "fetch", "--quiet", "--prune", "--no-tags", "--", bare, *refs, env=env, timeout=timeout)
        except system.CommandError as error:
            hint = ""
            if isinstance(error, system.TimedOutError):
                hint = "\nis its server away? `build_timeout` of the settings says how long it may take"
            if "Permission denied" in str(error) or "Could not read from remote" in str(error):
                hint = self._key_hint()
            raise ResourceError(f"cannot fetch {bare}: {error}{hint}") from error

    @contextlib.contextmanager
    def fetched_aside(self, url: str | Secret) -> Iterator[Repository]:
        """For a `with` block, a repository that has what a remote one has now; this one stays as it is.

        :raises ResourceError: as `fetch`.
        """
        with tempfile.TemporaryDirectory(prefix="hostsmith-") as folder:
            aside = Repository(f"{folder}/aside.git", self.ssh)
            aside.create()
            if os.path.exists(f"{self.path}/HEAD"):
                # What is here need not be fetched again.
                Path(aside.path, "objects/info/alternates").write_text(f"{self.path}/objects\n", encoding="utf-8")
            aside.fetch(url)
            yield aside

    def resolve(self, revision: str) -> str:
        """The commit that a branch, a tag or an abbreviated id names.

        :raises ResourceError: there is none.
        """
        name = _REMOTE_HEAD if revision == "HEAD" else revision
        try:
            return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except system.CommandError:
            known = self.git("for-each-ref", "--format=%(refname:short)", "--count=12", "refs/heads", "refs/tags")
            raise ResourceError(
                f"there is no revision {revision!r} in the repository; it has {', '.join(known.split()) or 'nothing'}"
            ) from None

    def subject(self, commit: str) -> str:
        """First line of a commit's message."""
        return self.git("log", "-1", "--format=%s", "--end-of-options", commit)

    def keep(self, name: str, ref: str) -> None:
        """Keep an object from garbage collection under RELEASE_REFS."""
        self.git("update-ref", f"{RELEASE_REFS}/{ref}", name)

    def kept(self, ref: str) -> str:
        """Id of what is kept under a name.

        :raises ResourceError: nothing is.
        """
        return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{RELEASE_REFS}/{ref}")

    def release(self, ref: str) -> None:
        """Stop keeping it."""
        if os.path.exists(f"{self.path}/HEAD"):
            self.git("update-ref", "-d", f"{RELEASE_REFS}/{ref}")

    def tidy(self, limit: int = MANY_PACKS) -> None:
        """Have git put its packs together when there are more than this, since each deploy brings one."""
        # git would look for itself, but takes longer to start than we to look.
        if sum(name.endswith(".pack") for name in self.packs()) > limit:
            options = ["-c", "gc.autoDetach=false", "-c", f"gc.autoPackLimit={limit}"]
            self.git(*options, "gc", "--auto", "--quiet")

    def export(self, name: str, folder: str) -> None:
        """Write the files of a commit or tree into a folder, without a .git of its own."""
        with tempfile.TemporaryDirectory(prefix="hostsmith-") as scratch:
            # Nor is a filter run that root's own configuration has and the code's attributes name.
            env = {"GIT_INDEX_FILE": f"{scratch}/index", "GIT_WORK_TREE": folder, "GIT_CONFIG_GLOBAL": "/dev/null"}
            self.git("read-tree", "--reset", "-u", "--end-of-options", name, env=env)

    def _env(self) -> dict[str, str]:
        env = {**ENVIRONMENT, "GIT_CONFIG_NOSYSTEM": "1"}
        if self.ssh is not None:
            # Batch mode: nobody is there to answer. A new host key is remembered, a changed one refused.
            options = ["-oBatchMode=yes", "-oStrictHostKeyChecking=accept-new", "-oConnectTimeout=15"]
            options += ["-oServerAliveInterval=15", "-oServerAliveCountMax=2"]
            options += [f"-oUserKnownHostsFile={self.ssh}/known_hosts"]
            if os.path.isdir(os.environ.get("HOME", "")):
                options += ["-i", f"{self.ssh}/id_ed25519"]
            else:
                # Behind the gate: ssh would still find root's own hosts and keys by the list of users, and takes those
                # also where the file that `-i` names is not there.
                options += ["-F", "/dev/null", "-oIdentitiesOnly=yes", f"-oIdentityFile={self.ssh}/id_ed25519"]
            env["GIT_SSH_COMMAND"] = shlex.join(["ssh", *options])
        return env

    def _key_hint(self) -> str:
        key = filesystem.read(f"{self.ssh}/id_ed25519.pub") if self.ssh else None
        if not key:
            return ""
        return f"\nIf the repository is private, add this host's deploy key to it (read-only):\n{key.decode().strip()}"
