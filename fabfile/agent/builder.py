"""Who runs what a project's requirements bring: a user of its own, so that no setup.py runs as root or as an app."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from ..resources.base import ResourceError
from . import system

NAME = "hostsmith-build"
# Seconds that processes which were killed may take to be gone.
_PATIENCE = 10.0


class Builder:
    """Runs programs that are not trusted, for one app.

    They are root's no more, and not the app's, whose processes could then change what is being built. They pass the
    door of the app's folder by its group, and come through no other app's.

    :param group: the app's group.
    :param cache: of pip and uv, which no other app's builds can reach, and so not poison.
    :param code: the folder of the code, in which pip builds what the requirements name of it.
    """

    def __init__(self, group: str, cache: str, code: str) -> None:
        self._group, self._cache, self.code = group, cache, code
        self.uv_cache = f"{cache}/uv"
        if system.uid(NAME) is None:
            options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
            system.run(["useradd", *options, "--", NAME])
        self._uid = system.passwd(NAME).pw_uid
        self._home = "/nonexistent"

    def run(
        self,
        argv: Sequence[str],
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, as `system.run`."""
        own = {**self._env(), **(env or {})}
        return system.run(self._as_builder(argv), env=own, cwd=cwd, timeout=timeout, label=" ".join(argv))

    def _env(self) -> dict[str, str]:
        return {
            "HOME": self._home,
            "USER": NAME,
            "LOGNAME": NAME,
            "PIP_CACHE_DIR": self._cache,
            # An agent that was lent for fetching the code would let every setup.py log in elsewhere.
            "SSH_AUTH_SOCK": "",
            # What programs leave behind, such as uv's locks, goes with it.
            **({"TMPDIR": self._home} if os.path.isdir(self._home) else {}),
        }

    def _as_builder(self, argv: Sequence[str]) -> list[str]:
        identity = [f"--reuid={NAME}", f"--regid={self._group}", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
        return ["setpriv", *identity, "--", *argv]

    @contextlib.contextmanager
    def owning(self, *folders: str) -> Iterator[None]:
        """For a `with` block, folders with all that is in them are the builder's.

        Root's again they are when no process of the builder is left to hold a file of theirs open: what was built
        cannot be changed afterwards by whoever built it.
        """
        self._end_all()
        os.makedirs(self._cache, mode=0o700, exist_ok=True)
        os.chown(self._cache, self._uid, 0)
        self._home = tempfile.mkdtemp(prefix="hostsmith-build-")
        os.chown(self._home, self._uid, 0)
        try:
            for folder in folders:
                _give(folder, self._uid)
            yield
        finally:
            with system.uninterrupted():
                self._end_all()
                for folder in folders:
                    _take_back(folder, self._uid)
                shutil.rmtree(self._home, ignore_errors=True)

    def _end_all(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while _has_processes(self._uid):
            if time.monotonic() > deadline:
                raise ResourceError(f"processes of {NAME} do not end; see `ps -u {NAME}`")
            # All of the user's at once, however fast they multiply; the shell itself is spared.
            system.run(self._as_builder(["sh", "-c", "kill -KILL -1"]), ok=(0, 1))
            time.sleep(0.01)


def _has_processes(uid: int) -> bool:
    """Whether a process of a user is alive."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        status = _status(pid)
        if str(uid) in status.get("Uid", "").split() and status["State"][:1] not in "ZX":
            return True
    return False


def _status(pid: str) -> dict[str, str]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    return {}


def _give(folder: str, uid: int) -> None:
    for path in _all(folder):
        os.chown(path, uid, 0, follow_symlinks=False)


def _take_back(folder: str, uid: int) -> None:
    """Make a folder root's, with all that is in it; nobody else can write there, and all can read.

    :raises ResourceError: something in it is somebody else's.
    """
    for path in _all(folder):
        found = os.lstat(path)
        if found.st_uid not in (0, uid):
            raise ResourceError(f"{path}: found a file of another user among what was built")
        if found.st_uid == 0:
            continue
        os.chown(path, 0, 0, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            # Neither setuid nor, by an access list, another's to write.
            os.chmod(path, 0o755 if stat.S_ISDIR(found.st_mode) or found.st_mode & 0o100 else 0o644)


def _all(folder: str) -> Iterator[str]:
    """A folder and all that is in it; links are not followed."""
    yield folder
    for root, folders, files in os.walk(folder):
        yield from (os.path.join(root, name) for name in (*folders, *files))
