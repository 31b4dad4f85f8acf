"""Build user of an app: runs what its requirements bring, never as root."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from ...contract.base import ResourceError
from ...contract.interruption import uninterrupted
from ..app.layout import Layout
from ..linux import filesystem, folders, system
from . import handover

NAME = "hostsmith-build"
_HOME, _SHELL = "/nonexistent", "/usr/sbin/nologin"
# A program that copes with any depth of folders and follows no links.
_REMOVE = ("rm", "-rf", "--")
# The longest name that a user may have.
_LONGEST = 32
# Seconds to wait for killed processes to disappear.
_PATIENCE = 10.0


def user_of(app: str) -> str:
    """Return the name of an app's build user.

    It can be no app's own user, since names of apps have no underscore.
    """
    name = f"{NAME}_{app}"
    return name if len(name) <= _LONGEST else f"{NAME}_{app[:7]}_{hashlib.sha256(app.encode()).hexdigest()[:8]}"


class Builder:
    """Runs untrusted programs as an unprivileged user.

    That user is not root, and not the app's either, whose processes could then change the build. Each app has a
    separate one, and so has the host itself: with its own home, cache and processes.

    :param user: the build user; created if missing.
    :param group: group whose files the programs may read besides world-readable ones; None: no group.
    :param app: layout of the app's folders; None for a build that belongs to no app.
    """

    def __init__(self, user: str, group: str | None = None, app: Layout | None = None) -> None:
        self._name, self._app = user, app
        self._uid, own = _made(user)
        self._gid = own if group is None else _gid(group)
        self._home = self._scratch = _HOME

    @classmethod
    def of_packages(cls, app: str) -> Builder:
        """Return the builder of an app's packages, which can read neither its environment nor its data."""
        return cls(user_of(app), app=Layout(app))

    @classmethod
    def of_project(cls, app: str) -> Builder:
        """Return the builder that runs an app's own code: it reads what the app can, and writes nothing."""
        return cls(user_of(app), group=app, app=Layout(app))

    @property
    def uv_cache(self) -> str:
        """uv's cache: the app's, or one for this build only."""
        return f"{self._app.cache if self._app else self._home}/uv"

    def run(
        self,
        argv: Sequence[str],
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, like `system.run`."""
        own, label = {**self._env(), **(env or {})}, " ".join(argv)
        # Root must not change into the folder itself: the builder may have just put a link there.
        command = self._as_builder(argv if cwd == "/" else system.going_to(cwd, argv))
        return system.run(command, env=own, cwd="/", timeout=timeout, label=label)

    def _env(self) -> dict[str, str]:
        return {
            "HOME": self._home,
            "USER": self._name,
            "LOGNAME": self._name,
            "PIP_CACHE_DIR": self._app.cache if self._app else f"{self._home}/pip",
            # With the SSH agent that fetched the code, every setup.py could log in elsewhere.
            "SSH_AUTH_SOCK": "",
            # Temporary files that programs leave, such as uv's locks, are removed with the home.
            **({"TMPDIR": self._home} if self._home != _HOME else {}),
        }

    def _as_builder(self, argv: Sequence[str]) -> list[str]:
        identity = [f"--reuid={self._uid}", f"--regid={self._gid}", "--clear-groups"]
        return ["setpriv", *identity, "--inh-caps=-all", "--no-new-privs", "--", *argv]

    @contextlib.contextmanager
    def owning(self, *folders: str) -> Iterator[None]:
        """For a `with` block, give folders of root's and all their content to the builder.

        They return to root once no process of the builder is left that could hold a file open: the builder cannot
        change what it built afterwards.

        :raises ResourceError: a folder could not be given or reclaimed; the build must not be used then.
        """
        self._end_all()
        with contextlib.ExitStack() as begun:
            try:
                self._begin(begun, folders)
                yield
            finally:
                with uninterrupted():
                    # Every step runs, the last first, even when another one fails.
                    begun.close()

    def lend(self, files: Mapping[str, bytes]) -> str:
        """Within `owning`, create a folder for the builder with some files; it is removed at the end."""
        folder = tempfile.mkdtemp(dir=self._scratch)
        for name, content in files.items():
            with open(f"{folder}/{name}", "xb") as file:
                file.write(content)
        handle = os.open(folder, handover.FOLDER)
        handover.give(handle, self._uid, self._gid)
        os.close(handle)
        return folder

    def _begin(self, begun: contextlib.ExitStack, folders: Sequence[str]) -> None:
        begun.callback(setattr, self, "_home", _HOME)
        self._scratch = tempfile.mkdtemp(prefix="hostsmith-build-")
        begun.callback(system.run, [*_REMOVE, self._scratch])
        # Owned by root, so that nobody can replace the home.
        os.chmod(self._scratch, 0o711)
        self._home = self._own(f"{self._scratch}/home")
        if self._app:
            self._own(self._app.cache)
            begun.enter_context(handover.passable(self._app.root, self._uid))
        handles = []
        for folder in folders:
            handles.append(os.open(folder, handover.FOLDER))
            begun.callback(os.close, handles[-1])
            begun.callback(self._reclaim, folder, handles[-1])
        begun.callback(self._end_all)
        for handle in handles:
            handover.give(handle, self._uid, self._gid)

    def _reclaim(self, folder: str, handle: int) -> None:
        try:
            handover.reclaim(handle, self._uid)
        except BaseException:
            # It must not be used, and must not block the next build.
            system.run([*_REMOVE, folder])
            raise

    def _own(self, folder: str) -> str:
        """Create a folder for the builder inside one of root's; one that belongs to somebody else is replaced."""
        found = filesystem.at(folder)
        if found is None or found.status.st_uid != self._uid:
            folders.remove(folder)
            os.mkdir(folder, 0o700)
            os.chown(folder, self._uid, self._gid)
        return folder

    def _end_all(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while pids := _processes(self._uid):
            if time.monotonic() > deadline:
                raise ResourceError(f"processes of {self._name} do not end; see `ps -u {self._name}`")
            # One kill(2) reaches all processes of the user, however fast they fork, except the shell itself. They may
            # kill the shell first, so root kills each of them, too.
            system.run(self._as_builder(["sh", "-c", "kill -KILL -1"]), ok=range(-64, 256))
            for pid in pids:
                _kill(pid, self._uid)
            time.sleep(0.01)


def _made(name: str) -> tuple[int, int]:
    """Create a build user if it is missing; return its uid and gid.

    :raises ResourceError: the name belongs to another user.
    """
    if system.uid(name) is None:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", _HOME, "--shell", _SHELL]
        system.run(["useradd", *options, "--", name])
    found = system.passwd(name)
    if (found.pw_dir, found.pw_shell) != (_HOME, _SHELL) or 0 in (found.pw_uid, found.pw_gid):
        raise ResourceError(
            f"found a user {name} with home {found.pw_dir} and shell {found.pw_shell}, expected one without: builds "
            "run as a user of that name; rename yours"
        )
    return found.pw_uid, found.pw_gid


def _gid(group: str) -> int:
    found = system.gid(group)
    if found is None:
        raise ResourceError(f"there is no group {group!r} on this host")
    return found


def _processes(uid: int) -> list[int]:
    """List the live processes of a user."""
    return [int(pid) for pid in filter(str.isdigit, os.listdir("/proc")) if _is_alive(int(pid), uid)]


def _is_alive(pid: int, uid: int) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
        return str(uid) in status.get("Uid", "").split() and status["State"][:1] not in "ZX"
    return False


def _kill(pid: int, uid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            # The pid may be reused by now; the descriptor's process is fixed.
            if _is_alive(pid, uid):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
