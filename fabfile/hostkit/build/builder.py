"""Who runs what a project's requirements bring: a user for each app, so that no setup.py runs as root or as an app."""

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
from ..linux import filesystem, system
from . import door, handover

NAME = "hostsmith-build"
_HOME, _SHELL = "/nonexistent", "/usr/sbin/nologin"
# By a program that folders in each other, however many, do not stop; it follows no links.
_REMOVE = ("rm", "-rf", "--")
# The longest name that a user may have.
_LONGEST = 32
# Seconds that processes which were killed may take to be gone.
_PATIENCE = 10.0


def user_of(app: str) -> str:
    """Name of the user who builds for an app.

    It is no app's own, since names of apps have no underscore.
    """
    name = f"{NAME}_{app}"
    return name if len(name) <= _LONGEST else f"{NAME}_{app[:7]}_{hashlib.sha256(app.encode()).hexdigest()[:8]}"


class Builder:
    """Runs programs that are not trusted.

    They are root's no more, and not the app's, whose processes could then change what is being built. Those that are
    run for other apps, or for all of the host, have another user, and so another home, cache and processes.

    :param user: who runs them; made when it is not there.
    :param group: whose files they may read beside those that all may; None: nobody's.
    :param app: where the app's folders are; None for what is no app's.
    """

    def __init__(self, user: str, group: str | None = None, app: Layout | None = None) -> None:
        self._name, self._app = user, app
        self._uid, own = _made(user)
        self._gid = own if group is None else _gid(group)
        self._home = self._scratch = _HOME

    @classmethod
    def of_packages(cls, app: str) -> Builder:
        """Who builds packages for an app, and can read neither its environment nor its data."""
        return cls(user_of(app), app=Layout(app))

    @classmethod
    def of_project(cls, app: str) -> Builder:
        """Who runs an app's own code while a release is made: it reads what the app does, and cannot write there."""
        return cls(user_of(app), group=app, app=Layout(app))

    @property
    def uv_cache(self) -> str:
        """uv's cache: of the app, or for this once."""
        return f"{self._app.cache if self._app else self._home}/uv"

    def run(
        self,
        argv: Sequence[str],
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, as `system.run`."""
        own, label = {**self._env(), **(env or {})}, " ".join(argv)
        # Not by root, who would go wherever the builder has just made a link to.
        command = self._as_builder(argv if cwd == "/" else system.going_to(cwd, argv))
        return system.run(command, env=own, cwd="/", timeout=timeout, label=label)

    def _env(self) -> dict[str, str]:
        return {
            "HOME": self._home,
            "USER": self._name,
            "LOGNAME": self._name,
            "PIP_CACHE_DIR": self._app.cache if self._app else f"{self._home}/pip",
            # An agent that was lent for fetching the code would let every setup.py log in elsewhere.
            "SSH_AUTH_SOCK": "",
            # What programs leave behind, such as uv's locks, goes with it.
            **({"TMPDIR": self._home} if self._home != _HOME else {}),
        }

    def _as_builder(self, argv: Sequence[str]) -> list[str]:
        identity = [f"--reuid={self._uid}", f"--regid={self._gid}", "--clear-groups"]
        return ["setpriv", *identity, "--inh-caps=-all", "--no-new-privs", "--", *argv]

    @contextlib.contextmanager
    def owning(self, *folders: str) -> Iterator[None]:
        """For a `with` block, folders of root's with all that is in them are the builder's.

        Root's again they are when no process of the builder is left to hold a file of theirs open: what was built
        cannot be changed afterwards by whoever built it.

        :raises ResourceError: they could not be given, or not be taken back; then what was built is not to be used.
        """
        self._end_all()
        with contextlib.ExitStack() as begun:
            try:
                self._begin(begun, folders)
                yield
            finally:
                with uninterrupted():
                    # All of it is done, the last first, whatever of it fails.
                    begun.close()

    def lend(self, files: Mapping[str, bytes]) -> str:
        """Within `owning`, make a folder of the builder's with some files; it goes at the end."""
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
        # Root's own, so that nobody can put something else in the home's place.
        os.chmod(self._scratch, 0o711)
        self._home = self._own(f"{self._scratch}/home")
        if self._app:
            self._own(self._app.cache)
            begun.enter_context(door.opened(self._app.root, self._uid))
        handles = []
        for folder in folders:
            handles.append(os.open(folder, handover.FOLDER))
            begun.callback(os.close, handles[-1])
            begun.callback(self._take_back, folder, handles[-1])
        begun.callback(self._end_all)
        for handle in handles:
            handover.give(handle, self._uid, self._gid)

    def _take_back(self, folder: str, handle: int) -> None:
        try:
            handover.take_back(handle, self._uid)
        except BaseException:
            # Nobody is to use it, and whatever it is, it must not be in the way of the next.
            system.run([*_REMOVE, folder])
            raise

    def _own(self, folder: str) -> str:
        """Have a folder in one of root's be the builder's; one that somebody else has filled is not taken over."""
        found = filesystem.at(folder)
        if found is None or found.status.st_uid != self._uid:
            filesystem.remove_tree(folder)
            os.mkdir(folder, 0o700)
            os.chown(folder, self._uid, self._gid)
        return folder

    def _end_all(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while pids := _processes(self._uid):
            if time.monotonic() > deadline:
                raise ResourceError(f"processes of {self._name} do not end; see `ps -u {self._name}`")
            # All of the user's at once, however fast they multiply; the shell itself is spared. They may end the shell
            # before, so each is ended by root, too.
            system.run(self._as_builder(["sh", "-c", "kill -KILL -1"]), ok=range(-64, 256))
            for pid in pids:
                _kill(pid, self._uid)
            time.sleep(0.01)


def _made(name: str) -> tuple[int, int]:
    """Ids of a user who builds and of its own group.

    :raises ResourceError: somebody else has that name.
    """
    if system.uid(name) is None:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", _HOME, "--shell", _SHELL]
        system.run(["useradd", *options, "--", name])
    found = system.passwd(name)
    if (found.pw_dir, found.pw_shell) != (_HOME, _SHELL) or 0 in (found.pw_uid, found.pw_gid):
        raise ResourceError(
            f"found a user {name} with home {found.pw_dir} and shell {found.pw_shell}, expected none: builds are run "
            "by a user of that name who has neither; rename yours"
        )
    return found.pw_uid, found.pw_gid


def _gid(group: str) -> int:
    found = system.gid(group)
    if found is None:
        raise ResourceError(f"there is no group {group!r} on this host")
    return found


def _processes(uid: int) -> list[int]:
    """The processes of a user that are alive."""
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
            # Its number may be another's by now; that of the descriptor is not.
            if _is_alive(pid, uid):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
