"""Bootstrap for hosts that do not have the agent yet.

It receives the code from the controller, keeps it, and loads it. The start of the agent (`connection/pack.py`)
executes this file as it arrives, before the code to which it belongs.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

# Versions of the code to keep: two admins may each have their own.
_VERSIONS = 2


class Input:
    """Standard input again, from the first frame on.

    :param frames: frames that arrived before the code.
    """

    def __init__(self, frames: bytes, rest: BinaryIO) -> None:
        self._frames, self._rest = io.BytesIO(frames), rest

    def readline(self, size: int = -1) -> bytes:
        return self._frames.readline(size) or self._rest.readline(size)

    def read(self, size: int = -1) -> bytes:
        return self._frames.read(size) or self._rest.read(size)


def unpack(stdin: BinaryIO, folder: str, load: Callable[[str], Any], problem: Exception) -> Any:
    """Receive the code, and load it from a folder where it is kept for later runs, or else from memory.

    :param stdin: a line with the length of a zip file, and the file.
    :param folder: for the code.
    :param load: loads the code from the folder, if that is intact and trusted.
    :param problem: its first error.
    :returns: the loaded function.
    """
    size = int(stdin.readline())
    code = stdin.read(size)
    if len(code) < size:
        sys.exit(1)
    with contextlib.suppress(Exception):
        _keep(code, folder, replace=not isinstance(problem, FileNotFoundError))
        _forget()
        return load(folder)
    _forget()
    return _from_memory(code)


def _keep(code: bytes, folder: str, replace: bool) -> None:
    """Write the code to a temporary folder and rename it, so that it is complete or missing.

    :raises OSError: it cannot be written, or another run was faster.
    """
    parent, new = os.path.dirname(folder), f"{folder}.{os.getpid()}"
    # Closed to other users: whoever can open a folder can lock it.
    os.makedirs(parent, 0o700, exist_ok=True)
    status = os.lstat(parent)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"others may write in {parent}")
    os.mkdir(new)
    fd = os.open(new, os.O_RDONLY)
    try:
        # Each run locks the version that it uses; unlocked ones may be removed.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(new)
        if replace:
            with contextlib.suppress(FileNotFoundError):
                os.rename(folder, f"{new}.old")
        os.rename(new, folder)
        _prune(parent)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    finally:
        os.close(fd)


def _prune(parent: str) -> None:
    """Remove older versions that no run uses, and leftovers of killed runs."""
    whole = [entry for entry in os.scandir(parent) if "." not in entry.name]
    newest = sorted(whole, key=lambda entry: entry.stat().st_mtime, reverse=True)[:_VERSIONS]
    for name in set(os.listdir(parent)) - {entry.name for entry in newest}:
        with contextlib.suppress(OSError):
            fd = os.open(f"{parent}/{name}", os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(f"{parent}/{name}")
            finally:
                os.close(fd)


def _forget() -> None:
    """Unload modules from a damaged folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "hostsmith"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _from_memory(code: bytes) -> Any:
    fd = os.memfd_create("hostsmith")
    while code:
        code = code[os.write(fd, code) :]
    sys.path.insert(0, f"/proc/self/fd/{fd}")
    return importlib.import_module("hostsmith.agent.main").main
