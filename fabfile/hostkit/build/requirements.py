"""What a release's virtualenv is made of: which files of its code say so, and what else of them counts."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Sequence

from ...contract.base import ResourceError
from ..linux import filesystem, source_file
from . import beside

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

Reader = Callable[[str], "bytes | None"]

_COMMENT = re.compile(r"(^|\s+)#.*$")
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CODING = re.compile(rb"\A(?:[^\n]*\n)?#[^\n]*coding[:=]\s*([-\w.]+)")
# A package of one version.
_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*===?[^*,;]+(?:;|\s|\Z)")
# How each kind of file says that a requirement is a folder or file beside it; the project itself is none.
_LOCAL = {
    "uv.lock": r'^source = \{ (?:editable|directory|path) = "(?!\.")',
    "poetry.lock": r'^type = "(?:directory|file)"',
    "pdm.lock": r'^path = "',
    "Pipfile.lock": r'^\s*"(?:path|file)": "(?!https?:)',
    PYPROJECT: r"@\s*(?:file:|[./])|[\"'][\w.-]+(?:\[[^\]]*\])?\s+@\s*(?!\w[\w+]*://)|\{[^{}\n]*\b(?:path|workspace)\s*=|^\s*\[tool\.uv\.sources\.",
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
    content = source_file.read(code, name)
    if content is None:
        return False
    if name == PYPROJECT:
        return bool(re.search(rb"^\s*\[\s*project\s*\]", content, re.MULTILINE))
    return name not in LOCKS or os.path.exists(f"{code}/{LOCKS[name]}")


def parts(paths: Sequence[str], read: Reader = filesystem.read) -> Iterator[tuple[str, bytes]]:
    """All files that decide, each once, with their content: these, what a lock was made from, what `-r` includes.

    :param read: how they are read.
    :raises ResourceError: one is missing, or is not to be read.
    """
    queue, seen = list(paths), set()
    while queue:
        path = os.path.normpath(queue.pop(0))
        if path in seen:
            continue
        seen.add(path)
        content = read(path)
        if content is None:
            raise ResourceError(_missing(path))
        yield path, content
        folder, name = os.path.split(path)
        if name in LOCKS:
            queue.append(f"{folder}/{LOCKS[name]}")
        elif is_list(path):
            queue += [os.path.join(folder, name) for name in included(path, content)]


def included(path: str, content: bytes) -> Iterator[str]:
    """The files on a host that a requirements file includes, as pip finds them.

    :raises ResourceError: it cannot be told which.
    """
    name = os.path.basename(path)
    for line in lines(path, content):
        for values in beside.values(beside.split(name, line)[1], "--requirement", "--constraint"):
            found = values[0] if values else ""
            if re.match(r"file:|.*\$\{", found, re.IGNORECASE):
                raise ResourceError(f"{name}: found {line!r}, expected the path of a file beside it")
            if "://" not in found:
                yield found


def lines(path: str, content: bytes) -> Iterator[str]:
    """The lines of a requirements file as pip reads them: put together where they go on, and without comments.

    :raises ResourceError: its text cannot be read.
    """
    begun = ""
    for line in text(path, content).splitlines():
        if line.endswith("\\") and not _COMMENT.match(line):
            begun += line.strip("\\")
            continue
        if found := _COMMENT.sub("", f"{begun} {line}" if _COMMENT.match(line) else begun + line).strip():
            yield found
        begun = ""
    if found := _COMMENT.sub("", begun).strip():
        yield found


def text(path: str, content: bytes) -> str:
    """A requirements file as text, by its byte order mark or by what a comment says of it, as pip has it.

    :raises ResourceError: it cannot be read.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    said = _CODING.search(content) if not encoding else None
    encoding = encoding or (said[1].decode("ascii") if said else "utf-8")
    try:
        return content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise ResourceError(f"{os.path.basename(path)}: {error}; expected UTF-8") from None


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


def has_local(paths: Sequence[str], read: Reader = filesystem.read) -> bool:
    """Whether a requirement is a local folder, such as a part of the code, in which it is then built."""
    return any(is_local(path, content) for path, content in parts(paths, read))


def folders(paths: Sequence[str], read: Reader) -> Iterator[tuple[str, str]]:
    """The folders and files of the code that requirement files ask for, each with the line that does.

    :raises ResourceError: it cannot be told which.
    """
    for top in filter(is_list, paths):
        for path, content in parts([top], read):
            for line in lines(path, content):
                # As pip has it, they are relative to where it runs.
                if found := beside.path(os.path.basename(path), line, os.path.dirname(top)):
                    yield found, f"{os.path.basename(path)}: found {line!r}"


def pinned(paths: Sequence[str], read: Reader) -> frozenset[str]:
    """The packages of which requirement files say the one version."""
    texts = [lines(path, content) for path, content in parts([*filter(is_list, paths)], read)]
    return frozenset(canonical(found[1]) for text in texts for line in text if (found := _PINNED.match(line)))


def canonical(name: str) -> str:
    """The one way to write a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_local(path: str, content: bytes) -> bool:
    """Whether a file asks for what lies beside it."""
    name = os.path.basename(path)
    if is_list(path):
        # What is editable counts wherever it is from.
        return any(re.match("-e|--ed", line) or beside.path(name, line, "/") for line in lines(path, content))
    return name in _LOCAL and bool(re.search(_LOCAL[name], content.decode("utf-8", "replace"), re.MULTILINE))
