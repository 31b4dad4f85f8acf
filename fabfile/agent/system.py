"""How resources touch the host: running programs, to their end or to an interruption, and looking up users."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..resources.base import ResourceError

# A non-interactive SSH session's PATH is whatever sshd was built with; sbin is often not on it.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_ERROR_LINES = 50


# Seconds by which an interruption of a program may be late.
_SLICE = 0.1


class CommandError(ResourceError):
    """A program ended with an exit status that is not 0, or was not there, or took too long."""


class TimedOutError(CommandError):
    """A program took too long."""


class Interrupted(BaseException):
    """The controller went away or a signal asked this run to stop."""


class _Shield:
    """While held, an interruption is remembered and raised only when the last holder lets go."""

    depth = 0
    pending = False


def interrupt(signum: int, frame: object) -> None:
    """Signal handler: stop the run at the next moment where stopping leaves the host whole."""
    if _Shield.depth:
        _Shield.pending = True
    else:
        raise Interrupted


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold interruptions back for a step that must be done wholly or not at all."""
    _Shield.depth += 1
    try:
        yield
    finally:
        _Shield.depth -= 1
        if not _Shield.depth and _Shield.pending:
            _Shield.pending = False
            raise Interrupted


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program: ours, known and in English, plus what the run needs of the caller's."""
    kept = {k: v for k, v in os.environ.items() if k in {"HOME", "SSH_AUTH_SOCK", "TMPDIR"}}
    return {**kept, **_ENVIRONMENT, **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    timeout: float | None = None,
    ok: Sequence[int] = (0,),
    label: str | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, without a shell.

    :param user: run as this user, with its groups and home; None: as root.
    :param timeout: seconds after which the program and its children are killed.
    :param ok: exit statuses that are not errors.
    :param label: what an error calls it instead of by its command line.
    :raises CommandError: any other exit status, no such program, or (TimedOutError) time up; the message carries the
        program's own last lines.
    """
    name = label or " ".join(argv)
    process: subprocess.Popen[bytes] | None = None
    try:
        # An interruption between its start and the assignment would leave it running.
        with uninterrupted(), _readable(stdin) as source:
            process = start(argv, stdin=source, env=env, cwd=cwd, user=user)
        out, err = _communicate(process, timeout)
    except BaseException as error:
        if process is not None and process.returncode is None:
            with uninterrupted():
                end(process)
        if isinstance(error, OSError):
            # Either the program or the folder to run it in.
            raise CommandError(f"{error.filename or argv[0]}: {error.strerror}") from error
        if isinstance(error, subprocess.TimeoutExpired):
            lines = tail(error.stderr or error.output or b"")
            text = f"{name}: still running after {timeout:g} s, stopped"
            raise TimedOutError(f"{text}\n{lines}" if lines else text) from None
        raise
    if process.returncode not in ok:
        status = f"exit status {process.returncode}"
        if process.returncode < 0:
            status = f"killed by signal {-process.returncode} ({signal.strsignal(-process.returncode)})"
        lines = tail(err or out)
        raise CommandError(f"{name}: {status}" + (f"\n{lines}" if lines else ""))
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def start(
    argv: Sequence[str],
    *,
    stdin: int,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program; what it prints is to be read by the caller, who ends it with `end`.

    :param stdin: as subprocess takes it: a file descriptor, or `subprocess.DEVNULL`.
    """
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**_home(user), **(env or {})}),
        cwd=cwd,
        # A session of its own, so that its children can be ended with it.
        start_new_session=True,
        **_identity(user),
    )


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[int]:
    """A file in memory that a program can read the data from.

    With a pipe, what a slow reader has not taken in the first slice of `_communicate` would never be sent: Python's
    `Popen.communicate` goes on with its output alone when it is called again.
    """
    if not data:
        yield subprocess.DEVNULL
        return
    with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _communicate(process: subprocess.Popen[bytes], timeout: float | None) -> tuple[bytes, bytes]:
    """`Popen.communicate`, interrupted only between slices of time.

    An exception that comes amid it breaks it for the next call, and a signal that comes just before it waits for the
    program would not wake it.
    """
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    while True:
        try:
            with uninterrupted():
                return process.communicate(timeout=min(_SLICE, max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                raise


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program's whole session: first asked, then forced."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        try:
            process.communicate(timeout=5)
            return
        except subprocess.TimeoutExpired:
            continue


def _identity(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = passwd(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}


def _home(user: str | None) -> dict[str, str]:
    return {} if user is None else {"HOME": passwd(user).pw_dir, "USER": user, "LOGNAME": user}


def tail(output: bytes, lines: int = _ERROR_LINES) -> str:
    """The last lines of a program's output, as text."""
    return "\n".join(output.decode("utf-8", "replace").strip().splitlines()[-lines:])


def passwd(user: str) -> pwd.struct_passwd:
    """The passwd entry of a user.

    :raises ResourceError: there is no such user.
    """
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ResourceError(f"there is no user {user!r} on this host") from None


def uid(owner: str | None) -> int | None:
    """Numeric id of a user; None for None, and for a user who is not there (yet)."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(owner).pw_uid if owner is not None else None
    return None


def gid(group: str | None) -> int | None:
    """Numeric id of a group; None for None, and for a group that is not there (yet)."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam(group).gr_gid if group is not None else None
    return None
