"""Which interpreter of a host a virtualenv is made by, when the code says what it needs and the settings do not."""

from __future__ import annotations

import glob
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...contract.base import ResourceError
from ...contract.events import note
from ..app.layout import Layout
from ..linux import source_file, system

Version = tuple[int, ...]

DEFAULT = "python3"
# Who may write where these may is root in all but name, by what Debian says of them.
_ROOTS_GROUPS = ("root", "staff")
# As the kernel has it.
_MOST_LINKS = 40
PINNED, PIPFILE = ".python-version", "Pipfile"
_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
_TESTS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    "<": lambda found, wanted: found < wanted,
}
# The one string that a key of a table has; more of TOML is not needed for a version.
_KEY = r"^[ \t]*\[\s*{table}\s*\](?:\n(?![ \t]*\[).*)*?\n[ \t]*{key}[ \t]*=[ \t]*[\"']([^\"'\n]*)[\"']"
_SOURCES = (
    ("pyproject.toml", "requires-python", _KEY.format(table="project", key="requires-python")),
    ("pyproject.toml", "python", _KEY.format(table=r"tool\.poetry\.dependencies", key="python")),
    (PIPFILE, "python_version", _KEY.format(table="requires", key="python_(?:full_)?version")),
)


@dataclass(frozen=True)
class Wanted:
    """A version of Python that is asked for.

    :param text: as it stands in the file, such as ">=3.11".
    :param file: which one.
    """

    text: str
    file: str

    def __str__(self) -> str:
        return f"Python {self.text} by {self.file}"

    @property
    def request(self) -> str:
        """The same in uv's words, which are those of PEP 440."""
        first = self.text.split("||")[0].strip()
        if found := re.fullmatch(r"\^\s*(\d+)((?:\.\d+)*)", first):
            return f">={found[1]}{found[2]},<{int(found[1]) + 1}"
        if found := re.fullmatch(r"~\s*(\d+\.\d+)(\.\d+)?", first):
            return f">={found[1]}{found[2] or ''},=={found[1]}.*"
        return first

    def admits(self, version: Version) -> bool:
        """Whether a version is one that is asked for.

        :raises ResourceError: it cannot be told.
        """
        if self.file == PINNED:
            # A patch release is what its author had; the host's distribution mends the same minor version.
            return _admits(".".join(self.text.split(".")[:2]) + ".*", version)
        try:
            return any(_admits(choice, version) for choice in self.text.split("||"))
        except ValueError:
            raise ResourceError(
                f"found {self.text!r} as the version of Python in {self.file}, expected one such as >=3.11,<4; "
                "or set `python` in the settings"
            ) from None


def wanted(code: str) -> Wanted | None:
    """The version that some code asks for; None when it asks for none."""
    pinned = (source_file.read(code, PINNED) or b"").decode("utf-8", "replace")
    for line in pinned.split("\n"):
        if found := re.fullmatch(r"\s*(?:cpython-|python-?)?(3(?:\.\d+){0,2})\s*(?:#.*)?", line):
            return Wanted(found[1], PINNED)
        if line.strip() and not line.lstrip().startswith("#"):
            raise ResourceError(
                f"found {line.strip()!r} in {PINNED}, expected a version of CPython such as 3.12; "
                "or set `python` in the settings"
            )
    for file, _, pattern in _SOURCES:
        text = (source_file.read(code, file) or b"").decode("utf-8", "replace").replace("\r\n", "\n")
        if (match := re.search(pattern, text, re.MULTILINE)) and match[1].strip():
            return Wanted(match[1].strip(), file)
    return None


def _admits(spec: str, version: Version) -> bool:
    """Whether a version meets all of some clauses, in the words of PEP 440, Poetry or a Pipfile.

    :raises ValueError: a clause is in none of these.
    """
    return all(_meets(clause.strip(), version) for clause in spec.split(",") if clause.strip())


def _meets(clause: str, version: Version) -> bool:
    found = re.fullmatch(r"(>=|<=|>|<|===?|!=|~=|~|\^)?\s*v?(\d+(?:\.\d+){0,2})(\.\*)?|(\*)", clause)
    if not found:
        raise ValueError(clause)
    operator, text, star, anything = found.groups()
    if anything:
        return True
    given = tuple(int(part) for part in text.split("."))
    full = given + (0,) * (3 - len(given))
    if operator in _TESTS:
        return _TESTS[operator](version, full)
    if operator == "^":
        return version >= full and version[:1] == full[:1]
    if operator == "~=":
        return version >= full and version[: len(given) - 1] == given[:-1]
    if operator == "~":
        return version >= full and version[: min(len(given), 2)] == given[:2]
    # A bare "3.12" means all of its patch releases, as Poetry and pipenv have it, and nobody means 3.12.0 alone.
    exact = version[: len(given)] == given if star or len(given) < 3 else version == full
    return exact != (operator == "!=")


@dataclass(frozen=True)
class Interpreter:
    """An interpreter of the host."""

    program: str
    version: Version

    def __str__(self) -> str:
        return f"{self.program} ({'.'.join(map(str, self.version))})"


def on_host(places: str = system.PATH) -> Iterator[Interpreter]:
    """The host's interpreters that can make virtualenvs: its own `python3` first, then the newest.

    :param places: folders, as in PATH.
    """
    names = {
        os.path.basename(path)
        for place in places.split(":")
        for path in glob.glob(f"{glob.escape(place)}/python3.*")
        if re.fullmatch(r"python3\.\d+", os.path.basename(path))
    }
    newest = sorted(names, key=lambda name: -int(name.rpartition(".")[2]))
    seen = set()
    for name in (DEFAULT, *newest):
        paths = (f"{place}/{name}" for place in places.split(":"))
        found = next(filter(None, map(_look_at, paths)), None)
        # Debian's python3 is one of the others under another name.
        if found and found not in seen:
            seen.add(found)
            yield Interpreter(name, found)


def _look_at(program: str) -> Version | None:
    if not os.access(program, os.X_OK) or _others(program):
        return None
    try:
        done = system.run([program, "-I", "-c", f"import ensurepip, venv; {_VERSION}"])
    except system.CommandError:
        return None
    return tuple(int(part) for part in done.stdout.decode().strip().split("."))


def require_roots(python: str) -> None:
    """See that it is root who decides what an interpreter is, wherever its path leads.

    :raises ResourceError: somebody else may, or did: what comes with an app is not root's, whoever owns it.
    """
    path = python if "/" in python else shutil.which(python, path=system.PATH) or ""
    if reason := _others(path):
        raise ResourceError(
            f"python: found {python}, but {reason}; expected an interpreter of which root alone decides what it is, "
            "such as /usr/bin/python3, since what it makes is shared by all apps of the host"
        )


def _others(path: str) -> str:
    """Why somebody else than root decides what a path leads to; nothing when nobody does."""
    groups = {*map(system.gid, _ROOTS_GROUPS), os.getegid()}
    for step in _steps(path):
        found = os.lstat(step)
        if re.match(rf"{Layout('').base}/[^/]+/(?:releases|venvs)/", step):
            return f"{step} is part of an app"
        if found.st_uid not in (0, os.geteuid()):
            return f"{step} is not root's"
        # In a folder with the sticky bit, nobody can put something in the place of what is root's.
        shut = stat.S_ISLNK(found.st_mode) or (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX)
        if not shut and found.st_mode & (0o002 if found.st_gid in groups else 0o022):
            return f"others than root can write to {step}"
    return ""


def _steps(path: str) -> Iterator[str]:
    """All folders and links that a path leads through, and where it ends; up to where nothing is."""
    left, here, links = path.split("/"), "/", 0
    while left:
        here = os.path.normpath(os.path.join(here, left.pop(0)))
        if not os.path.lexists(here) or links > _MOST_LINKS:
            return
        yield here
        if os.path.islink(here):
            links += 1
            left = os.readlink(here).split("/") + left
            here = "/" if left[0] == "" else os.path.dirname(here)


def choose(code: str, install: Callable[[Wanted], str]) -> str:
    """The interpreter for some code: one of the host, or else one that is installed for it.

    :param install: installs one and returns its path.
    :raises ResourceError: there is none, and none can be had.
    """
    asked = wanted(code)
    if asked is None:
        return DEFAULT
    found = []
    for interpreter in on_host():
        if asked.admits(interpreter.version):
            if interpreter.program != DEFAULT:
                note(f"{interpreter}, because {asked.file} asks for {asked.text}")
            return interpreter.program
        found.append(interpreter)
    try:
        path = install(asked)
    except ResourceError as error:
        there = ", ".join(map(str, found)) or "none that can make virtualenvs"
        raise ResourceError(
            f"found {there} on this host, expected {asked}, and uv cannot install it: {error}\n"
            f"Install one with its venv module, such as by `packages` in the settings, or have {asked.file} say what "
            "there is, or set `python` in the settings, which comes before it"
        ) from error
    note(f"{path}, because {asked.file} asks for {asked.text}")
    return path
