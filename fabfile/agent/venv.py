"""Building virtualenvs: the fingerprint of what one is made of, and the build itself."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..resources.base import ResourceError
from . import system
from .builder import Builder

_MARKER = ".hostsmith-complete"
_NESTED = re.compile(r"^\s*(?:-[rc]\s*|--(?:requirement|constraint)(?:\s*=\s*|\s+))(\S+)")
_LOCAL = re.compile(r"^\s*(?:-e|--editable|\.|/|[\w.-]+/|(?:\S+\s*@\s*)?file:)")


class Runner(Protocol):
    """What runs the interpreter and pip: `system.run`, or one who does it as another user."""

    def __call__(self, argv: Sequence[str], *, cwd: str = "/") -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, and raise `CommandError` when it fails."""


def python_version(python: str, run: Runner = system.run) -> str:
    """What an interpreter says of itself.

    :raises ResourceError: there is none by this name.
    """
    try:
        return run([python, "-VV"]).stdout.decode().strip()
    except system.CommandError as error:
        raise ResourceError(
            f"the interpreter {python!r} is not on this host ({error}); install it, or set `python` to one that is"
        ) from error


def fingerprint(
    python: str, requirements: Sequence[str], tools: Sequence[str], local_key: str, run: Runner = system.run
) -> str:
    """Hash of all that decides what a virtualenv holds: the interpreter, the requirement files and what they include.

    :param requirements: paths of requirement files.
    :param tools: packages that must be there besides.
    :param local_key: stands for the code itself, and counts when a requirement is a local folder of it.
    :raises ResourceError: a file is missing.
    """
    digest = hashlib.sha256(python_version(python, run).encode())
    for tool in tools:
        digest.update(b"\0tool " + tool.encode())
    for path in _with_included(requirements):
        content = system.read(path)
        if content is None:
            raise ResourceError(
                f"there is no {os.path.basename(path)} in the source ({path}); "
                "name the file in `requirements`, or set it to [] when the app needs none"
            )
        digest.update(b"\0file " + content)
        if _is_local(content):
            digest.update(b"\0local " + local_key.encode())
    return digest.hexdigest()[:16]


def has_local(requirements: Sequence[str]) -> bool:
    """Whether a requirement is a local folder, such as a part of the code, in which pip then builds it."""
    return any(_is_local(system.read(path) or b"") for path in _with_included(requirements))


def _is_local(content: bytes) -> bool:
    return any(_LOCAL.match(line) for line in content.decode("utf-8", "replace").splitlines())


def _with_included(paths: Sequence[str]) -> Iterator[str]:
    """The files, and those that they include by -r or -c, each once."""
    queue, seen = list(paths), set()
    while queue:
        path = os.path.normpath(queue.pop(0))
        if path in seen:
            continue
        seen.add(path)
        yield path
        text = (system.read(path) or b"").decode("utf-8", "replace")
        found = [match.group(1) for line in text.splitlines() if (match := _NESTED.match(line))]
        queue += [os.path.join(os.path.dirname(path), name) for name in found if "://" not in name]


def complete(path: str, key: str) -> bool:
    """Whether a virtualenv was built to its end from this fingerprint."""
    return system.read(f"{path}/{_MARKER}") == key.encode()


def whole(path: str) -> bool:
    """Whether a virtualenv was built to its end, from whatever."""
    return os.path.exists(f"{path}/{_MARKER}")


def build(
    path: str,
    key: str,
    python: str,
    requirements: Sequence[str],
    tools: Sequence[str],
    timeout: float,
    builder: Builder | None = None,
) -> None:
    """Build a virtualenv from nothing; what a build that was cut off has left there goes first.

    It is built in its place, because the scripts of a virtualenv hold its path.

    :param timeout: seconds that a single command of pip may take.
    :param builder: who runs pip, and with it whatever the requirements bring; None: whoever runs this.
    :raises ResourceError: venv or pip failed, with pip's own last lines.
    """
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o755)
    if builder is None:
        _install(path, python, requirements, tools, functools.partial(system.run, timeout=timeout))
    else:
        with builder.owning(path, *([builder.code] if has_local(requirements) else [])):
            _install(path, python, requirements, tools, functools.partial(builder.run, timeout=timeout))
    system.write_atomic(f"{path}/{_MARKER}", key.encode(), mode=0o644)


def _install(path: str, python: str, requirements: Sequence[str], tools: Sequence[str], run: Runner) -> None:
    run([python, "-m", "venv", path])
    pip = [
        f"{path}/bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    for file in requirements:
        # Relative paths in a requirement file are relative to where pip runs.
        run([*pip, "-r", file], cwd=os.path.dirname(file))
    if tools:
        # What a requirement brought is left as it is, whatever its version.
        run([*pip, "--", *tools])
