"""Folders and files of the code that lines of a requirements file ask for, as pip and uv find them."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import urllib.parse
from collections.abc import Iterator, Sequence

from ...contract.base import ResourceError

# A requirement that begins with a name, and where it is from by PEP 508, when it says so.
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*(?:@(.*)|[=<>!~;(]|\Z)")
_ARCHIVE = re.compile(r"\.(?:whl|zip|tgz|tbz|txz|tlz|tar(?:\.(?:gz|bz2|xz|lz|lzma|zst))?)\Z", re.IGNORECASE)
_REMOTE = re.compile(r"(?:(?:git|hg|svn|bzr)(?:\+[a-z]+)?|https?|ftp|ssh):", re.IGNORECASE)
_FILE = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)
_EXTRAS = re.compile(r"\s*\[[^\]]*\]\s*\Z")


def split(name: str, line: str) -> tuple[str, list[str]]:
    """What comes before the options of a line, and the words of these.

    :param name: of the file, to name it by.
    :raises ResourceError: they cannot be told apart.
    """
    words = line.split(" ")
    at = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        return " ".join(words[:at]).strip(), shlex.split(" ".join(words[at:]))
    except ValueError as error:
        raise ResourceError(f"{name}: {error} in {line!r}; expected options as pip has them") from None


def values(words: Sequence[str], *options: str) -> Iterator[list[str]]:
    """What the words of a line give for options: the words up to the next option.

    :param options: by their long names; pip knows them by the first letters too, and by a dash and a single one.
    """
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        more = list(itertools.takewhile(lambda word: not word.startswith("-"), words[at + 1 :]))
        if len(name) > 2 and any(option.startswith(name) for option in options):
            yield [value, *more] if equals else more
        elif word[:2] in [option[1:3] for option in options]:
            own = word[2:].removeprefix("=")
            yield [own, *more] if own else more


def path(name: str, line: str, folder: str) -> str | None:
    """The folder or file that a line asks for; None when it asks for nothing that is beside it.

    :param name: of the file, to name it by.
    :param folder: where the installer runs.
    :raises ResourceError: it cannot be told.
    """
    text, words = split(name, line)
    # What comes before all options is what pip takes.
    editable = "" if text else " ".join(next(values(words, "--editable"), []))
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
