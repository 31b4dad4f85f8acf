"""git on the host: one bare repository per app."""

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

# A ref per release keeps its objects from garbage collection.
RELEASE_REFS = "refs/hostsmith"
_REMOTE_HEAD = "refs/remotes/origin/HEAD"
# No prompts, and a limit of 30 seconds without data.
ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "30"}
# Default limit in seconds of a fetch.
FETCH_TIMEOUT = 1800.0
# git's own default.
MANY_PACKS = 50


# A credential helper: it reads the login from variables, which only root can see.
_HELPER = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$HOSTSMITH_GIT_USER" "$HOSTSMITH_GIT_PASSWORD"; }; f'
)


def without_login(url: str | Secret) -> tuple[str, dict[str, str]]:
    """Return a URL that is safe on a command line, and the environment that passes its login to git.

    git itself would put the login on the command lines of its helpers.

    :raises ResourceError: the login has control characters.
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
    # For this server only: git asks again after a redirect to another one.
    section = f"credential.{found[1]}{found[3]}"
    options = [(f"{section}.helper", ""), (f"{section}.helper", _HELPER)]
    if not password:
        # A helper that root has configured may know it.
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
        """Create the repository if it is missing; remove the leftovers of a killed git."""
        if not os.path.exists(f"{self.path}/HEAD"):
            system.run(["git", "init", "--quiet", "--bare", self.path])
        # This run holds the host's lock, so nobody uses these; the first would block git, the others take space.
        for pattern in ("**/*.lock", "objects/pack/tmp_*", "objects/??/tmp_*"):
            for path in Path(self.path).glob(pattern):
                path.unlink(missing_ok=True)

    def objects(self) -> list[str]:
        """List the ids of the commits and trees of releases on this host."""
        if not os.path.exists(f"{self.path}/HEAD"):
            return []
        return self.git("for-each-ref", "--format=%(objectname)", RELEASE_REFS).split()

    def has(self, name: str) -> bool:
        """Whether an object exists."""
        try:
            self.git("cat-file", "-e", "--end-of-options", name)
        except system.CommandError:
            return False
        return True

    def receive(self, pack: bytes) -> None:
        """Add the objects of a pack, which may be thin."""
        self.git("index-pack", "--stdin", "--fix-thin", stdin=pack)

    def packs(self) -> set[str]:
        """List the names of all pack files."""
        with contextlib.suppress(FileNotFoundError):
            return set(os.listdir(f"{self.path}/objects/pack"))
        return set()

    def drop_packs(self, names: set[str]) -> None:
        """Remove pack files that nothing needs."""
        for name in names:
            Path(f"{self.path}/objects/pack/{name}").unlink(missing_ok=True)

    def fetch(self, url: str | Secret, timeout: float = FETCH_TIMEOUT) -> None:
        """Fetch branches, tags and the default branch of a remote repository.

        :param url: secret when it contains a login.
        :param timeout: limit in seconds.
        :raises ResourceError: the repository is unreachable or not readable, with git's own error.
        """
        self.create()
        bare, env = without_login(url)
        refs = ["+HEAD:" + _REMOTE_HEAD, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        try:
            # Always as a pack, for `tidy` to count.
            options = ["-c", "fetch.unpackLimit=1"]
            self.git(*options, "fetch", "--quiet", "--prune", "--no-tags", "--", bare, *refs, env=env, timeout=timeout)
        except system.CommandError as error:
            hint = ""
            if isinstance(error, system.TimedOutError):
                hint = "\nis its server unreachable? `build_timeout` in the settings is the limit"
            if "Permission denied" in str(error) or "Could not read from remote" in str(error):
                hint = self._key_hint()
            raise ResourceError(f"cannot fetch {bare}: {error}{hint}") from error

    @contextlib.contextmanager
    def fetched_aside(self, url: str | Secret) -> Iterator[Repository]:
        """For a `with` block, a temporary repository with the objects of a remote one; this one does not change.

        :raises ResourceError: as `fetch`.
        """
        with tempfile.TemporaryDirectory(prefix="hostsmith-") as folder:
            aside = Repository(f"{folder}/aside.git", self.ssh)
            aside.create()
            if os.path.exists(f"{self.path}/HEAD"):
                # Objects of this repository need not be fetched again.
                Path(aside.path, "objects/info/alternates").write_text(f"{self.path}/objects\n", encoding="utf-8")
            aside.fetch(url)
            yield aside

    def resolve(self, revision: str) -> str:
        """Return the commit that a branch, a tag or an abbreviated id names.

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
        """Return the first line of a commit's message."""
        return self.git("log", "-1", "--format=%s", "--end-of-options", commit)

    def keep(self, name: str, ref: str) -> None:
        """Keep an object from garbage collection under RELEASE_REFS."""
        self.git("update-ref", f"{RELEASE_REFS}/{ref}", name)

    def kept(self, ref: str) -> str:
        """Return the id of the object that is kept under a name.

        :raises ResourceError: there is none.
        """
        return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{RELEASE_REFS}/{ref}")

    def release(self, ref: str) -> None:
        """Stop keeping an object."""
        if os.path.exists(f"{self.path}/HEAD"):
            self.git("update-ref", "-d", f"{RELEASE_REFS}/{ref}")

    def tidy(self, limit: int = MANY_PACKS) -> None:
        """Repack when there are more packs than this, since each deploy adds one."""
        # `git gc --auto` counts them itself, but takes longer to start than counting here.
        if sum(name.endswith(".pack") for name in self.packs()) > limit:
            options = ["-c", "gc.autoDetach=false", "-c", f"gc.autoPackLimit={limit}"]
            self.git(*options, "gc", "--auto", "--quiet")

    def export(self, name: str, folder: str) -> None:
        """Write the files of a commit or tree into a folder, without a .git folder."""
        with tempfile.TemporaryDirectory(prefix="hostsmith-") as scratch:
            # Without root's own configuration, no filter runs that the code's attributes name.
            env = {"GIT_INDEX_FILE": f"{scratch}/index", "GIT_WORK_TREE": folder, "GIT_CONFIG_GLOBAL": "/dev/null"}
            self.git("read-tree", "--reset", "-u", "--end-of-options", name, env=env)

    def _env(self) -> dict[str, str]:
        env = {**ENVIRONMENT, "GIT_CONFIG_NOSYSTEM": "1"}
        if self.ssh is not None:
            # Batch mode: no prompts. A new host key is added to known_hosts, a changed one is refused.
            options = ["-oBatchMode=yes", "-oStrictHostKeyChecking=accept-new", "-oConnectTimeout=15"]
            options += ["-oServerAliveInterval=15", "-oServerAliveCountMax=2"]
            options += [f"-oUserKnownHostsFile={self.ssh}/known_hosts"]
            if os.path.isdir(os.environ.get("HOME", "")):
                options += ["-i", f"{self.ssh}/id_ed25519"]
            else:
                # Behind the gate: ssh would still find root's hosts and keys by the passwd entry, and use them even
                # when the file of `-i` is missing.
                options += ["-F", "/dev/null", "-oIdentitiesOnly=yes", f"-oIdentityFile={self.ssh}/id_ed25519"]
            env["GIT_SSH_COMMAND"] = shlex.join(["ssh", *options])
        return env

    def _key_hint(self) -> str:
        key = filesystem.read(f"{self.ssh}/id_ed25519.pub") if self.ssh else None
        if not key:
            return ""
        return f"\nIf the repository is private, add this host's deploy key to it (read-only):\n{key.decode().strip()}"
