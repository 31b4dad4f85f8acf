"""What a host does that does not have the agent's code yet: it takes it from the controller, keeps it, and loads it.

The start of the agent (`connection/pack.py`) executes this file as it comes, ahead of the code of which it is a part.
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

# Versions of the code that are kept: of two admins each may have their own.
_VERSIONS = 2


class Input:
    """Standard input again, from the first frame on.

    :param frames: those that came before the code.
    """

    def __init__(self, frames: bytes, rest: BinaryIO) -> None:
        self._frames, self._rest = io.BytesIO(frames), rest

    def readline(self, size: int = -1) -> bytes:
        return self._frames.readline(size) or self._rest.readline(size)

    def read(self, size: int = -1) -> bytes:
        return self._frames.read(size) or self._rest.read(size)


def unpack(stdin: BinaryIO, folder: str, load: Callable[[str], Any], problem: Exception) -> Any:
    """Read the code, and load it from where it is kept for the next runs, or from memory where it cannot be kept.

    :param stdin: a line with the length of a zip file, and the file.
    :param folder: where the code is to be kept.
    :param load: loads the code from the folder, if that is sound and ours.
    :param problem: what it said before.
    :returns: what was loaded.
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
    """Write it beside and rename it: there is the whole folder or none.

    :raises OSError: it cannot be written, or another run was first.
    """
    parent, new = os.path.dirname(folder), f"{folder}.{os.getpid()}"
    # Nobody else gets in: whoever can open a folder can lock it.
    os.makedirs(parent, 0o700, exist_ok=True)
    status = os.lstat(parent)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"others may write in {parent}")
    os.mkdir(new)
    fd = os.open(new, os.O_RDONLY)
    try:
        # Held, as by each run that uses a version: what nobody holds is taken away.
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
    """Take away older versions that no run uses, and what killed runs have left."""
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
    """Forget what was loaded of a folder that turned out to be damaged."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "hostsmith"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _from_memory(code: bytes) -> Any:
    fd = os.memfd_create("hostsmith")
    while code:
        code = code[os.write(fd, code) :]
    sys.path.insert(0, f"/proc/self/fd/{fd}")
    return importlib.import_module("hostsmith.agent.main").main
