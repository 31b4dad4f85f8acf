"""Choice of the Python interpreter for a release's virtualenv."""

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
# By Debian's rules, their members are root in all but name.
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
# The string value of a key in a table; a version needs no more of TOML.
_KEY = r"^[ \t]*\[\s*{table}\s*\](?:\n(?![ \t]*\[).*)*?\n[ \t]*{key}[ \t]*=[ \t]*[\"']([^\"'\n]*)[\"']"
_SOURCES = (
    ("pyproject.toml", "requires-python", _KEY.format(table="project", key="requires-python")),
    ("pyproject.toml", "python", _KEY.format(table=r"tool\.poetry\.dependencies", key="python")),
    (PIPFILE, "python_version", _KEY.format(table="requires", key="python_(?:full_)?version")),
)


@dataclass(frozen=True)
class PythonRequirement:
    """A version of Python that the code requires.

    :param text: as written in the file, such as ">=3.11".
    :param file: its name.
    """

    text: str
    file: str

    def __str__(self) -> str:
        return f"Python {self.text} by {self.file}"

    @property
    def request(self) -> str:
        """The same version as uv takes it, by PEP 440."""
        first = self.text.split("||")[0].strip()
        if found := re.fullmatch(r"\^\s*(\d+)((?:\.\d+)*)", first):
            return f">={found[1]}{found[2]},<{int(found[1]) + 1}"
        if found := re.fullmatch(r"~\s*(\d+\.\d+)(\.\d+)?", first):
            return f">={found[1]}{found[2] or ''},=={found[1]}.*"
        return first

    def admits(self, version: Version) -> bool:
        """Whether a version satisfies the requirement.

        :raises ResourceError: the requirement cannot be parsed.
        """
        if self.file == PINNED:
            # The patch release is its author's; the host's distribution patches the same minor version.
            return _admits(".".join(self.text.split(".")[:2]) + ".*", version)
        try:
            return any(_admits(choice, version) for choice in self.text.split("||"))
        except ValueError:
            raise ResourceError(
                f"found {self.text!r} as the version of Python in {self.file}, expected one like >=3.11,<4; "
                "or set `python` in the settings"
            ) from None


def python_requirement(code: str) -> PythonRequirement | None:
    """Read the version that some code requires; None when it requires none."""
    pinned = (source_file.read(code, PINNED) or b"").decode("utf-8", "replace")
    for line in pinned.split("\n"):
        if found := re.fullmatch(r"\s*(?:cpython-|python-?)?(3(?:\.\d+){0,2})\s*(?:#.*)?", line):
            return PythonRequirement(found[1], PINNED)
        if line.strip() and not line.lstrip().startswith("#"):
            raise ResourceError(
                f"found {line.strip()!r} in {PINNED}, expected a version of CPython such as 3.12; "
                "or set `python` in the settings"
            )
    for file, _, pattern in _SOURCES:
        text = (source_file.read(code, file) or b"").decode("utf-8", "replace").replace("\r\n", "\n")
        if (match := re.search(pattern, text, re.MULTILINE)) and match[1].strip():
            return PythonRequirement(match[1].strip(), file)
    return None


def _admits(spec: str, version: Version) -> bool:
    """Whether a version meets all clauses, in the syntax of PEP 440, Poetry or a Pipfile.

    :raises ValueError: a clause cannot be parsed.
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
    # A bare "3.12" means all of its patch releases, as in Poetry and pipenv.
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
    """Yield the host's interpreters that can create virtualenvs: `python3` first, then the newest.

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
        found = next(filter(None, map(_version, paths)), None)
        # Debian's python3 is one of the others under another name.
        if found and found not in seen:
            seen.add(found)
            yield Interpreter(name, found)


def _version(program: str) -> Version | None:
    """Return the version of an interpreter that root controls and that can create virtualenvs."""
    if not os.access(program, os.X_OK) or _others(program):
        return None
    try:
        done = system.run([program, "-I", "-c", f"import ensurepip, venv; {_VERSION}"])
    except system.CommandError:
        return None
    return tuple(int(part) for part in done.stdout.decode().strip().split("."))


def require_roots(python: str) -> None:
    """Refuse an interpreter that others than root can replace, anywhere on its path.

    :raises ResourceError: they can. A part of an app counts as theirs, whoever owns it.
    """
    path = python if "/" in python else shutil.which(python, path=system.PATH) or ""
    if reason := _others(path):
        raise ResourceError(
            f"python: found {python}, but {reason}; expected an interpreter that only root can change, such as "
            "/usr/bin/python3, since all apps of the host share what it creates"
        )


def _others(path: str) -> str:
    """Name the reason why others than root control a path; empty when they do not."""
    groups = {*map(system.gid, _ROOTS_GROUPS), os.getegid()}
    for step in _steps(path):
        found = os.lstat(step)
        if re.match(rf"{Layout('').base}/[^/]+/(?:releases|venvs)/", step):
            return f"{step} is part of an app"
        if found.st_uid not in (0, os.geteuid()):
            return f"{step} is not root's"
        # In a folder with the sticky bit, nobody can replace an entry of root's.
        shut = stat.S_ISLNK(found.st_mode) or (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX)
        if not shut and found.st_mode & (0o002 if found.st_gid in groups else 0o022):
            return f"others than root can write to {step}"
    return ""


def _steps(path: str) -> Iterator[str]:
    """Yield all folders and links that a path leads through, and its end, as far as they exist."""
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


def choose(code: str, install: Callable[[PythonRequirement], str]) -> str:
    """Choose the interpreter for some code: one of the host, or else one that is installed for it.

    :param install: installs one and returns its path.
    :raises ResourceError: there is none, and none can be installed.
    """
    asked = python_requirement(code)
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
        there = ", ".join(map(str, found)) or "none that can create virtualenvs"
        raise ResourceError(
            f"found {there} on this host, expected {asked}, and uv cannot install it: {error}\n"
            f"Install one with its venv module, such as by `packages` in the settings, or ask for another version in "
            f"{asked.file}, or set `python` in the settings, which overrides it"
        ) from error
    note(f"{path}, because {asked.file} asks for {asked.text}")
    return path
