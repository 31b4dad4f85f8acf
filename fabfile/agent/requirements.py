"""What a release's virtualenv is made of: which files of its code say so, and what else of them counts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from ..resources.base import ResourceError
from . import filesystem

# Each lock with the file that it was made from, which lies beside it.
LOCKS = {
    "uv.lock": "pyproject.toml",
    "poetry.lock": "pyproject.toml",
    "pdm.lock": "pyproject.toml",
    "Pipfile.lock": "Pipfile",
}
PYPROJECT = "pyproject.toml"
# What is looked for when the settings name no files, the first that is there counts.
ORDER = (*LOCKS, "requirements.txt", PYPROJECT)

_NESTED = re.compile(r"^\s*(?:-[rc]\s*|--(?:requirement|constraint)(?:\s*=\s*|\s+))(\S+)", re.MULTILINE)
_LOCAL_LINE = r"^\s*(?:-e|--editable|\.|/|[\w.-]+/|(?:\S+\s*@\s*)?file:)"
# How each kind of file says that a requirement is a folder or file beside it; the project itself is none.
_LOCAL = {
    "uv.lock": r'^source = \{ (?:editable|directory|path) = "(?!\.")',
    "poetry.lock": r'^type = "(?:directory|file)"',
    "pdm.lock": r'^path = "',
    "Pipfile.lock": r'^\s*"(?:path|file)": "(?!https?:)',
    PYPROJECT: r"@\s*file:",
}


def chosen(code: str) -> tuple[str, ...]:
    """The files that a virtualenv for some code can be made from, the one that counts first.

    :raises ResourceError: there is none.
    """
    found = tuple(name for name in ORDER if _is_there(code, name))
    if not found:
        raise ResourceError(
            f"found none of {', '.join(ORDER)} in the source, expected one that says what the app requires (of "
            "pyproject.toml, its table [project]); add one, name another file in `requirements`, or set it to [] "
            "when the app needs none"
        )
    return found


def _is_there(code: str, name: str) -> bool:
    content = filesystem.read(f"{code}/{name}")
    if content is None:
        return False
    if name == PYPROJECT:
        return bool(re.search(rb"^\s*\[\s*project\s*\]", content, re.MULTILINE))
    return name not in LOCKS or os.path.exists(f"{code}/{LOCKS[name]}")


def require_inside(code: str, names: Sequence[str]) -> None:
    """See that what root reads of some code, and may quote, is of that code: a link could lead anywhere on the host.

    :raises ResourceError: one leads out of it.
    """
    root = os.path.realpath(code)
    beside = [os.path.join(os.path.dirname(name), LOCKS.get(os.path.basename(name), "")) for name in names]
    for name in (*names, *beside):
        real = os.path.realpath(os.path.join(code, name))
        if os.path.commonpath([root, real]) != root:
            raise ResourceError(f"{name} of the source leads out of it, to {real}; commit the file itself")


def parts(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """All files that decide, each once, with their content: these, what a lock was made from, what `-r` includes.

    :raises ResourceError: one is missing.
    """
    queue, seen = list(paths), set()
    while queue:
        path = os.path.normpath(queue.pop(0))
        if path in seen:
            continue
        seen.add(path)
        content = filesystem.read(path)
        if content is None:
            raise ResourceError(_missing(path))
        yield path, content
        folder, name = os.path.split(path)
        if name in LOCKS:
            queue.append(f"{folder}/{LOCKS[name]}")
        elif is_list(path):
            found = _NESTED.findall(content.decode("utf-8", "replace"))
            queue += [os.path.join(folder, name) for name in found if "://" not in name]


def _missing(path: str) -> str:
    name = os.path.basename(path)
    lock = next((lock for lock, origin in LOCKS.items() if origin == name and name != PYPROJECT), "a lock file")
    if name in LOCKS.values():
        return f"there is no {name} in the source ({path}), which {lock} is made from; commit both"
    return (
        f"there is no {name} in the source ({path}); "
        "name the file in `requirements`, or set it to [] when the app needs none"
    )


def is_list(path: str) -> bool:
    """Whether a file is one for `pip install -r`."""
    return os.path.basename(path) not in (*LOCKS, *LOCKS.values())


def has_local(paths: Sequence[str]) -> bool:
    """Whether a requirement is a local folder, such as a part of the code, in which it is then built."""
    return any(is_local(path, content) for path, content in parts(paths))


def is_local(path: str, content: bytes) -> bool:
    """Whether a file asks for what lies beside it."""
    pattern = _LOCAL.get(os.path.basename(path), _LOCAL_LINE)
    return bool(re.search(pattern, content.decode("utf-8", "replace"), re.MULTILINE))
