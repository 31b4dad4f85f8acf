"""Requirement files and lockfiles of a release's code."""

from __future__ import annotations

import codecs
import itertools
import os
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterator, Sequence

from ...contract.base import ResourceError
from ..linux import filesystem, source_file

# Each lockfile with the file beside it from which it was generated.
LOCKS = {
    "uv.lock": "pyproject.toml",
    "poetry.lock": "pyproject.toml",
    "pdm.lock": "pyproject.toml",
    "Pipfile.lock": "Pipfile",
}
PYPROJECT = "pyproject.toml"
# Files to look for when the settings name none; the first one found is used.
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
# How each kind of file marks a requirement that is a folder or file beside it; the project itself does not count.
_LOCAL = {
    "uv.lock": r'^source = \{ (?:editable|directory|path) = "(?!\.")',
    "poetry.lock": r'^type = "(?:directory|file)"',
    "pdm.lock": r'^path = "',
    "Pipfile.lock": r'^\s*"(?:path|file)": "(?!https?:)',
    PYPROJECT: r"@\s*(?:file:|[./])|[\"'][\w.-]+(?:\[[^\]]*\])?\s+@\s*(?!\w[\w+]*://)|\{[^{}\n]*\b(?:path|workspace)\s*=|^\s*\[tool\.uv\.sources\.",
}
# A requirement that begins with a name, and its URL by PEP 508, if any.
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*(?:@(.*)|[=<>!~;(]|\Z)")
_ARCHIVE = re.compile(r"\.(?:whl|zip|tgz|tbz|txz|tlz|tar(?:\.(?:gz|bz2|xz|lz|lzma|zst))?)\Z", re.IGNORECASE)
_REMOTE = re.compile(r"(?:(?:git|hg|svn|bzr)(?:\+[a-z]+)?|https?|ftp|ssh):", re.IGNORECASE)
_FILE = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)
_EXTRAS = re.compile(r"\s*\[[^\]]*\]\s*\Z")


def chosen(code: str) -> tuple[str, ...]:
    """List the files from which a virtualenv for some code can be built, the effective one first.

    :raises ResourceError: there is none.
    """
    found = tuple(name for name in ORDER if _is_there(code, name))
    if not found:
        raise ResourceError(
            f"there is none of {', '.join(ORDER)} in the source, expected one with the app's requirements (of "
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
    """Yield all files that matter, once each, with content: these, the origin of a lockfile, and `-r` includes.

    :param read: reads a file.
    :raises ResourceError: one is missing or must not be read.
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
    """Yield the files that a requirements file includes, as pip resolves them.

    :raises ResourceError: a path is unclear.
    """
    name = os.path.basename(path)
    for line in lines(path, content):
        for values in option_values(split_options(name, line)[1], "--requirement", "--constraint"):
            found = values[0] if values else ""
            if re.match(r"file:|.*\$\{", found, re.IGNORECASE):
                raise ResourceError(f"{name}: found {line!r}, expected the path of a file beside it")
            if "://" not in found:
                yield found


def lines(path: str, content: bytes) -> Iterator[str]:
    """Yield the lines of a requirements file as pip reads them: continued lines joined, comments removed.

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
    """Decode a requirements file by its byte order mark or coding comment, like pip.

    :raises ResourceError: it cannot be decoded.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    comment = _CODING.search(content) if not encoding else None
    encoding = encoding or (comment[1].decode("ascii") if comment else "utf-8")
    try:
        return content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise ResourceError(f"{os.path.basename(path)}: {error}; expected UTF-8") from None


def _missing(path: str) -> str:
    name = os.path.basename(path)
    lock = next((lock for lock, origin in LOCKS.items() if origin == name and name != PYPROJECT), "a lockfile")
    if name in LOCKS.values():
        return f"there is no {name} in the source ({path}), from which {lock} is generated; commit both"
    return (
        f"there is no {name} in the source ({path}); "
        "name the file in `requirements`, or set it to [] when the app needs none"
    )


def is_list(path: str) -> bool:
    """Whether a file is a plain requirements file, for `pip install -r`."""
    return os.path.basename(path) not in (*LOCKS, *LOCKS.values())


def has_local(paths: Sequence[str], read: Reader = filesystem.read) -> bool:
    """Whether a requirement is a local folder, such as a part of the code."""
    return any(is_local(path, content) for path, content in parts(paths, read))


def folders(paths: Sequence[str], read: Reader) -> Iterator[tuple[str, str]]:
    """Yield the folders and files of the code that requirement files name, each with the line.

    :raises ResourceError: a path is unclear.
    """
    for top in filter(is_list, paths):
        for path, content in parts([top], read):
            for line in lines(path, content):
                # Like pip, relative to its working folder.
                if found := beside(os.path.basename(path), line, os.path.dirname(top)):
                    yield found, f"{os.path.basename(path)}: found {line!r}"


def pinned(paths: Sequence[str], read: Reader) -> frozenset[str]:
    """List the packages that requirement files pin to one version."""
    texts = [lines(path, content) for path, content in parts([*filter(is_list, paths)], read)]
    return frozenset(canonical(found[1]) for text in texts for line in text if (found := _PINNED.match(line)))


def canonical(name: str) -> str:
    """Normalize a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_local(path: str, content: bytes) -> bool:
    """Whether a file has a requirement that is beside it."""
    name = os.path.basename(path)
    if is_list(path):
        # An editable requirement always counts.
        return any(re.match("-e|--ed", line) or beside(name, line, "/") for line in lines(path, content))
    return name in _LOCAL and bool(re.search(_LOCAL[name], content.decode("utf-8", "replace"), re.MULTILINE))


def split_options(name: str, line: str) -> tuple[str, list[str]]:
    """Split a line into its text before the options, and the words of the options.

    :param name: of the file, for errors.
    :raises ResourceError: the options cannot be parsed.
    """
    words = line.split(" ")
    at = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        return " ".join(words[:at]).strip(), shlex.split(" ".join(words[at:]))
    except ValueError as error:
        raise ResourceError(f"{name}: {error} in {line!r}; expected options of pip") from None


def option_values(words: Sequence[str], *options: str) -> Iterator[list[str]]:
    """Yield the values of options in a line: the words up to the next option.

    :param options: their long names; pip also accepts abbreviations and a single letter after one dash.
    """
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        more = list(itertools.takewhile(lambda word: not word.startswith("-"), words[at + 1 :]))
        if len(name) > 2 and any(option.startswith(name) for option in options):
            yield [value, *more] if equals else more
        elif word[:2] in [option[1:3] for option in options]:
            own = word[2:].removeprefix("=")
            yield [own, *more] if own else more


def beside(name: str, line: str, folder: str) -> str | None:
    """Return the path of the folder or file that a line names; None for a package from elsewhere.

    :param name: of the file, for errors.
    :param folder: working folder of the installer.
    :raises ResourceError: the line is unclear.
    """
    text, words = split_options(name, line)
    # pip takes the text before the first option.
    editable = "" if text else " ".join(next(option_values(words, "--editable"), []))
    target = (text or editable).partition(";")[0].strip()
    named = _NAMED.match(target)
    if named and named[1] is not None:
        target = named[1].strip()
    elif not target or (named and not editable and "/" not in target and not _ARCHIVE.search(target)):
        return None
    elif not editable and not re.search(r"/|\A\.|:", target) and not _ARCHIVE.search(target):
        raise _unclear(name, line)
    if _REMOTE.match(target):
        return None
    target = _EXTRAS.sub("", target.partition("#")[0]).replace("${PROJECT_ROOT}", folder)
    if found := _FILE.match(target):
        target = urllib.parse.unquote(target[found.end() :])
    if "${" in target or not target:
        raise _unclear(name, line)
    return os.path.normpath(os.path.join(folder, re.sub(r"\A/+", "/", target)))


def _unclear(name: str, line: str) -> ResourceError:
    return ResourceError(f"{name}: found {line!r}, expected a package, a URL, or the path of a folder beside the file")
