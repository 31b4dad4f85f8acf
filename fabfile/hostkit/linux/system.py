"""Programs and users of the host: running, stopping and looking them up."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...contract.base import ResourceError
from ...contract.interruption import uninterrupted

# The PATH of a non-interactive SSH session is compiled into sshd, often without sbin.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_ERROR_LINES = 50


# Seconds by which the interruption of a program may be late.
_SLICE = 0.1
_CHUNK = 1 << 16
# Limits in bytes of a program's output: where all of it is needed, and where the end is enough.
_WHOLE, _END = 32 << 20, 1 << 18


class CommandError(ResourceError):
    """A program failed, is missing, or took too long."""


class TimedOutError(CommandError):
    """A program took too long."""


def all_of_it(printed: bytearray) -> None:
    """Keep all output of a program.

    :raises CommandError: it is more than root should keep in memory.
    """
    if len(printed) > _WHOLE:
        raise CommandError(f"printed more than {_WHOLE >> 20} MB, stopped")


def its_end(printed: bytearray) -> None:
    """Keep the end of a program's output: enough for an error."""
    if len(printed) > 2 * _END:
        del printed[:-_END]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a program: a fixed one in English, plus what it needs of the caller's."""
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
    keep: Callable[[bytearray], None] = all_of_it,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, without a shell.

    :param user: run as this user, with its groups and home; None: as root.
    :param timeout: seconds after which the program and its children are killed.
    :param ok: exit statuses that are not errors.
    :param label: name for errors, instead of the command line.
    :param keep: `all_of_it`, or `its_end` where only errors need the output.
    :raises CommandError: any other exit status, no such program, or (TimedOutError) time up; the message has the
        program's last lines.
    """
    name = label or " ".join(argv)
    process: subprocess.Popen[bytes] | None = None
    try:
        # An interruption between its start and the assignment would leave it running.
        with uninterrupted(), _readable(stdin) as source:
            process = start(argv, stdin=source, env=env, cwd=cwd, user=user)
        out, err = _communicate(process, timeout, keep)
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
        if isinstance(error, CommandError):
            raise CommandError(f"{name}: {error}") from None
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
    """Start a program; the caller reads its output and stops it with `end`.

    :param stdin: as subprocess takes it: a file descriptor, or `subprocess.DEVNULL`.
    """
    if user is not None and cwd is not None:
        argv, cwd = going_to(cwd, argv), None
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**_home(user), **(env or {})}),
        cwd=cwd,
        # A separate session, so that its children can be stopped with it.
        start_new_session=True,
        **_identity(user),
    )


def going_to(folder: str, argv: Sequence[str]) -> list[str]:
    """Return a command that changes to a folder first, with the rights of the user who runs it.

    Root must not change there for another user, whose link could lead to a folder that only root may enter.
    """
    return ["sh", "-c", 'cd -- "$0" && exec "$@"', folder, *argv]


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[int]:
    """For a `with` block, a file in memory from which a program can read the data.

    With a pipe, a slow reader would block the reading of its output.
    """
    if not data:
        yield subprocess.DEVNULL
        return
    with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _communicate(
    process: subprocess.Popen[bytes], timeout: float | None, keep: Callable[[bytearray], None]
) -> tuple[bytes, bytes]:
    """Read a program's output until it ends, like `Popen.communicate`, but interruptible and with a limit.

    :raises subprocess.TimeoutExpired: the time is up, with the output so far.
    """
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe is not None]
    printed = [bytearray() for _ in pipes]

    def left() -> float:
        if (seconds := deadline - time.monotonic()) <= 0:
            raise subprocess.TimeoutExpired(process.args, timeout or 0, *map(bytes, printed))
        # A signal that comes just before a wait would not end it.
        return min(_SLICE, seconds)

    with selectors.DefaultSelector() as selector:
        for number, pipe in enumerate(pipes):
            if not pipe.closed:
                selector.register(pipe, selectors.EVENT_READ, number)
        while selector.get_map():
            for key, _ in selector.select(left()):
                with uninterrupted():
                    data = os.read(key.fd, _CHUNK)
                    printed[key.data] += data
                    if not data:
                        selector.unregister(key.fileobj)
                        pipes[key.data].close()
                keep(printed[key.data])
    while not has_ended(process):
        has_ended(process, left())
    out, err = map(bytes, printed)
    return out, err


def has_ended(process: subprocess.Popen[bytes], within: float = 0.0) -> bool:
    """Wait so many seconds for a program; returns whether it has ended.

    An interruption waits as long: within `Popen.wait` it would leave a lock taken that every later wait needs.
    """
    with uninterrupted(), contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within)
    return process.returncode is not None


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop all processes of a program's session: first SIGTERM, then SIGKILL."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        try:
            _communicate(process, 5, its_end)
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


@contextlib.contextmanager
def acting_as(user: str | None) -> Iterator[None]:
    """For a `with` block that does not wait, act as another user, without root's rights.

    The real and the saved user stay root, so that no process of the user's can signal or trace this one. All threads
    change together; the others only read and write open pipes, which needs no rights.

    :param user: None: stay the current user, as without root's rights.
    """
    if user is None or os.geteuid() != 0:
        yield
        return
    identity, groups = _identity(user), os.getgroups()
    with uninterrupted():
        try:
            os.setgroups(identity["extra_groups"])
            os.setegid(identity["group"])
            os.seteuid(identity["user"])
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)


def tail(output: bytes, lines: int = _ERROR_LINES) -> str:
    """Return the last lines of a program's output, as text."""
    return "\n".join(output.decode("utf-8", "replace").strip().splitlines()[-lines:])


def passwd(user: str) -> pwd.struct_passwd:
    """Return the passwd entry of a user.

    :raises ResourceError: there is no such user.
    """
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ResourceError(f"there is no user {user!r} on this host") from None


def uid(owner: str | None) -> int | None:
    """Return the numeric id of a user; None for None, and for a missing user."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(owner).pw_uid if owner is not None else None
    return None


def gid(group: str | None) -> int | None:
    """Return the numeric id of a group; None for None, and for a missing group."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam(group).gr_gid if group is not None else None
    return None
