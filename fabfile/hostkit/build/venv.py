"""Building virtualenvs: the fingerprint of what one is made of, and the build itself."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from ...contract.base import ResourceError
from ..linux import filesystem, system
from . import filling, handover
from . import requirements as required
from .installers import Pip
from .runner import Runner
from .tools import MARKER


def python_version(python: str, run: Runner = system.run) -> str:
    """What an interpreter says of itself.

    :raises ResourceError: there is none by this name.
    """
    if _is_ours(python):
        return f"Python {sys.version}".strip()
    try:
        return run([python, "-VV"]).stdout.decode().strip()
    except system.CommandError as error:
        raise ResourceError(
            f"the interpreter {python!r} is not on this host ({error}); install it, or set `python` to one that is"
        ) from error


def _is_ours(python: str) -> bool:
    """Whether a name is that of the very interpreter that runs this; one that was upgraded meanwhile is not."""
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
    """Hash of all that decides what a virtualenv holds: the interpreter, the files and what they include.

    :param requirements: paths of requirement files and locks.
    :param tools: packages that must be there besides.
    :param local_key: stands for the code itself, and counts when a requirement is a local folder of it.
    :param read: how the files are read.
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
    """Whether a virtualenv was built to its end from this fingerprint."""
    return whole(path) and filesystem.read(f"{path}/{MARKER}") == key.encode()


def whole(path: str) -> bool:
    """Whether a virtualenv was built to its end, from whatever."""
    # Who builds could have written that it is.
    return os.path.exists(f"{path}/{MARKER}") and handover.is_taken_back(path)


def build(path: str, key: str, fill: Callable[[], None]) -> None:
    """Build a virtualenv from nothing; what a build that was cut off has left there goes first.

    It is built in its place, because the scripts of a virtualenv hold its path.

    :param fill: makes it in the empty folder.
    :raises ResourceError: a program failed, with its own last lines.
    """
    filesystem.remove_tree(path)
    filesystem.make_folder(path)
    fill()
    filesystem.sync_tree(path)
    filesystem.write_atomic(f"{path}/{MARKER}", key.encode(), mode=0o644)


def by_pip(path: str, python: str, requirements: Sequence[str], packages: Sequence[str], timeout: float) -> None:
    """Make a virtualenv with what requirement files ask for, as whoever runs this.

    :param timeout: seconds that a single command may take.
    :raises ResourceError: a program failed, with its own last lines.
    """
    run = functools.partial(system.run, timeout=timeout)
    run([python, "-m", "venv", path])
    filling.fill(path, requirements, packages, Pip(run))
