"""What a release's virtualenv is made of: which files of its code say so, and what else of them counts."""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from ..resources.base import ResourceError
from . import filesystem, source_file

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

_INCLUDES = ("--requirement", "--constraint")
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
_FOLDER = re.compile(
    r"""(?:(?:-e|--editable)[\s=]*)?["']?(?:[\w.-]+(?:\[[^\]]*\])?\s*@\s*)?(?:file:(?://)?)?"""
    r"""((?:[./]|[\w.-]+/)[^\[;"']*)"""
)
_LOCAL_LINE = r"(?:-e|--editable|\.|/|[\w.-]+/|(?:\S+\s*@\s*)?file:)"
# How each kind of file says that a requirement is a folder or file beside it; the project itself is none.
_LOCAL = {
    "uv.lock": r'^source = \{ (?:editable|directory|path) = "(?!\.")',
    "poetry.lock": r'^type = "(?:directory|file)"',
    "pdm.lock": r'^path = "',
    "Pipfile.lock": r'^\s*"(?:path|file)": "(?!https?:)',
    PYPROJECT: r"@\s*file:|\{[^{}\n]*\b(?:path|workspace)\s*=|^\s*\[tool\.uv\.sources\.",
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
    for line in lines(path, content):
        words = line.split(" ")
        options = [at for at, word in enumerate(words) if word.startswith("-")]
        if not options:
            continue
        try:
            left = iter(shlex.split(" ".join(words[options[0] :])))
        except ValueError as error:
            raise ResourceError(
                f"{os.path.basename(path)}: {error} in {line!r}; expected options as pip has them"
            ) from None
        for word in left:
            name, equals, value = word.partition("=")
            if len(name) > 2 and any(option.startswith(name) for option in _INCLUDES):
                found = value if equals else next(left, "")
            elif word[:2] in ("-r", "-c"):
                found = word[2:].removeprefix("=") or next(left, "")
            else:
                continue
            if re.match(r"file:|.*\$\{", found, re.IGNORECASE):
                raise ResourceError(f"{os.path.basename(path)}: found {line!r}, expected the path of a file beside it")
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


def folders(paths: Sequence[str], read: Reader) -> Iterator[str]:
    """The folders of the code that requirement files ask for."""
    for top in filter(is_list, paths):
        for path, content in parts([top], read):
            # As pip has it, they are relative to where it runs.
            found = (_FOLDER.match(line) for line in lines(path, content))
            yield from (os.path.join(os.path.dirname(top), match[1].strip()) for match in found if match)


def is_local(path: str, content: bytes) -> bool:
    """Whether a file asks for what lies beside it."""
    pattern = _LOCAL.get(os.path.basename(path))
    if pattern is None:
        return any(re.match(_LOCAL_LINE, line) for line in lines(path, content))
    return bool(re.search(pattern, content.decode("utf-8", "replace"), re.MULTILINE))
