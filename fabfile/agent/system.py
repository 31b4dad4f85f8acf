"""How resources touch the host: running programs, writing files atomically, looking up users."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..resources.base import ResourceError

# A non-interactive SSH session's PATH is whatever sshd was built with; sbin is often not on it.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_ERROR_LINES = 25


class CommandError(ResourceError):
    """A program ended with an exit status that is not 0, or was not there, or took too long."""


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
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, without a shell.

    :param user: run as this user, with its groups; None: as root.
    :param timeout: seconds after which the program and its children are killed.
    :param ok: exit statuses that are not errors.
    :raises CommandError: any other exit status, no such program, or time up; the message carries the program's
        own last lines.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env),
            cwd=cwd,
            # A session of its own, so that its children can be ended with it.
            start_new_session=True,
            **_identity(user),
        )
    except OSError as error:
        raise CommandError(f"{argv[0]}: {error.strerror}") from error
    try:
        out, err = process.communicate(stdin, timeout)
    except BaseException as error:
        with uninterrupted():
            _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise CommandError(f"{' '.join(argv)}: still running after {timeout:g} s, stopped") from None
        raise
    if process.returncode not in ok:
        status = f"exit status {process.returncode}"
        if process.returncode < 0:
            status = f"killed by {signal.Signals(-process.returncode).name}"
        lines = tail(err or out)
        raise CommandError(f"{' '.join(argv)}: {status}" + (f"\n{lines}" if lines else ""))
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _end(process: subprocess.Popen[bytes]) -> None:
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


def write_atomic(path: str, data: bytes, *, mode: int, uid: int | None = None, gid: int | None = None) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between.

    Owner and mode are right before the first byte is written, so that a secret is never readable by others.

    :param mode: permission bits.
    :raises ResourceError: the folder is not there, or it cannot be written.
    """
    folder = os.path.dirname(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchown(handle, -1 if uid is None else uid, -1 if gid is None else gid)
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
        sync_folder(folder)
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def symlink_atomic(target: str, path: str) -> None:
    """Point a symlink somewhere with one rename(2): whoever follows it meets the old target or the new one."""
    temporary = f"{path}.{os.getpid()}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(path))


def sync_folder(folder: str) -> None:
    """Make a rename in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: str) -> bytes | None:
    """A file's content, None when there is no such file."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
