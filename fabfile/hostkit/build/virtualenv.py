"""Virtualenvs: fingerprint of their ingredients, empty copies, and the build."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from ...contract.base import ResourceError
from ..linux import filesystem, folders, system
from . import handover
from . import requirements as required
from .installers import MARKER, Pip, Runner, fill


def python_version(python: str, run: Runner = system.run) -> str:
    """Return an interpreter's full version text.

    :raises ResourceError: there is no such interpreter.
    """
    if _is_ours(python):
        return f"Python {sys.version}".strip()
    try:
        return run([python, "-VV"]).stdout.decode().strip()
    except system.CommandError as error:
        raise ResourceError(
            f"the interpreter {python!r} is missing on this host ({error}); install it, or set `python` to another one"
        ) from error


def _is_ours(python: str) -> bool:
    """Whether a name leads to the interpreter that runs this code; false when it was upgraded meanwhile."""
    if "/" in python or (path := shutil.which(python, path=system.PATH)) is None:
        return False
    return os.path.samefile(path, "/proc/self/exe")


def fingerprint(
    python: str,
    requirements: Sequence[str],
    tools: Sequence[str],
    local_key: str,
    run: Runner = system.run,
    read: required.Reader = filesystem.read,
) -> str:
    """Hash everything that decides the content of a virtualenv: the interpreter, the files and their includes.

    :param requirements: paths of requirement files and locks.
    :param tools: packages that are installed besides.
    :param local_key: identifies the code; counts when a requirement is a local folder of it.
    :param read: reads a file.
    :raises ResourceError: a file is missing.
    """
    digest = hashlib.sha256(python_version(python, run).encode())
    for tool in tools:
        digest.update(b"\0tool " + tool.encode())
    for path, content in required.parts(requirements, read):
        digest.update(b"\0file " + content)
        if not required.is_list(path):
            digest.update(b"\0name " + os.path.basename(path).encode())
        if required.is_local(path, content):
            digest.update(b"\0local " + local_key.encode())
    return digest.hexdigest()[:16]


def complete(path: str, key: str) -> bool:
    """Whether a virtualenv was completely built from this fingerprint."""
    return whole(path) and filesystem.read(f"{path}/{MARKER}") == key.encode()


def whole(path: str) -> bool:
    """Whether a virtualenv was completely built, from any fingerprint."""
    # The build user could have written the marker itself.
    return os.path.exists(f"{path}/{MARKER}") and handover.is_reclaimed(path)


def build(path: str, key: str, fill: Callable[[], None]) -> None:
    """Build a virtualenv from scratch, after removing what an interrupted build left.

    It is built in its final place, because its scripts contain its path.

    :param fill: creates it in the empty folder.
    :raises ResourceError: a program failed; the message has its last lines.
    """
    folders.remove(path)
    folders.make(path)
    fill()
    folders.sync_tree(path)
    filesystem.write_atomic(f"{path}/{MARKER}", key.encode(), mode=0o644)


def by_pip(path: str, python: str, requirements: Sequence[str], packages: Sequence[str], timeout: float) -> None:
    """Create a virtualenv and install requirement files with pip, as the current user.

    :param timeout: limit in seconds for each command.
    :raises ResourceError: a program failed; the message has its last lines.
    """
    run = functools.partial(system.run, timeout=timeout)
    run([python, "-m", "venv", path])
    fill(path, requirements, packages, Pip(run))


def copy_empty(kept: str, path: str) -> None:
    """Create an empty virtualenv by copying one that is kept for its interpreter.

    It includes a compiled pip: to install that again would take most of the time of a build.

    :param path: an empty folder.
    """
    folders.copy(kept, path, without=MARKER)
    # The scripts of a virtualenv contain its path, and so does pyvenv.cfg.
    for file in [f"{path}/pyvenv.cfg", *(entry.path for entry in os.scandir(f"{path}/bin") if not entry.is_symlink())]:
        with open(file, "r+b") as script:
            text = script.read().replace(kept.encode(), path.encode())
            script.seek(0)
            script.write(text)
            script.truncate()
