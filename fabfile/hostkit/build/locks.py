"""Lockfiles and pyproject.toml dependencies as requirement lines for pip and uv.

The tool that wrote a lockfile exports it, since it knows its formats, old and new. Only Pipfile.lock is parsed here: it
is JSON with one line per entry, and pipenv would bring forty packages for the same result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.base import ResourceError
from .origins import Document

# How a lockfile, or its export, names an index.
_INDEX = re.compile(r"""(?:\bregistry = "|^--(?:extra-)?index-url[ =]|^--find-links[ =])([^"\s]+)""", re.MULTILINE)
_PYPI = re.compile(r"https://pypi\.(?:python\.)?org/simple/?\Z")
# git's short form of an SSH address, which neither pip nor uv accepts in a line.
_SCP = re.compile(r"\A((?:[\w.-]+@)?[\w.-]+):(?!//)/?")
# A line that names a package without its URL.
_BY_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?\s*(?:[=<>!~;]|\Z)")


@dataclass(frozen=True)
class Exporter:
    """The tool that reads one kind of lockfile.

    :param name: of the tool.
    :param packages: what to install.
    :param argv: its arguments.
    :param env: its environment.
    """

    name: str
    packages: tuple[str, ...]
    argv: tuple[str, ...]
    env: Mapping[str, str]


EXPORTERS = {
    "poetry.lock": Exporter(
        "poetry",
        ("poetry>=2,<3", "poetry-plugin-export>=1.9,<2"),
        ("export", "--only", "main", "--format", "requirements.txt"),
        {"POETRY_VIRTUALENVS_CREATE": "false", "POETRY_NO_INTERACTION": "1"},
    ),
    "pdm.lock": Exporter(
        "pdm",
        # With the versions of its dependencies that its authors tested.
        ("pdm[locked]>=2.20,<3",),
        ("export", "--prod", "--format", "requirements"),
        {"PDM_IGNORE_SAVED_PYTHON": "1", "PDM_USE_VENV": "0", "PDM_CHECK_UPDATE": "0", "PDM_NON_INTERACTIVE": "1"},
    ),
}
UV_EXPORT = (
    *("export", "--frozen", "--no-dev", "--no-emit-project", "--no-editable", "--no-header", "--no-annotate"),
    *("--format", "requirements-txt"),
)


@dataclass(frozen=True)
class RequirementLines:
    """Requirements as lines.

    :param hashed: lines with hashes.
    :param other: lines without: repositories, folders, or a lockfile without hashes.
    :param complete: whether they include all dependencies of dependencies.
    """

    hashed: str
    other: str
    complete: bool


def split(text: str) -> RequirementLines:
    """Split an exporter's output in two: pip refuses a file in which only some lines have hashes."""
    hashed, other = [], []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        bare = re.sub(r"^-e\s+|^--editable[ =]\s*", "", line.strip())
        if not bare or bare.startswith("#"):
            continue
        if bare.startswith("-"):
            hashed.append(bare)
            other.append(bare)
        else:
            (hashed if "--hash=" in bare else other).append(bare)
    return RequirementLines(_text(hashed), _text(other), complete=True)


def _text(lines: Sequence[str]) -> str:
    """Join lines to a file; empty when there are only options."""
    return "".join(f"{line}\n" for line in lines) if any(not line.startswith("-") for line in lines) else ""


def require_told_apart(name: str, lock: str, lines: RequirementLines) -> None:
    """Refuse lines without hashes beside a second index, where a package of the same name could replace one.

    :param name: of the lockfile.
    :param lock: its text, or its export.
    :raises ResourceError: a line has no hash.
    """
    others = [url for url in _INDEX.findall(lock) if not _PYPI.match(url)]
    loose = [line for line in lines.other.splitlines() if _BY_NAME.match(line)]
    if others and loose:
        raise ResourceError(
            f"{name}: found {loose[0]!r} without a hash beside the index {others[0]}, expected hashes: without one, a "
            "package of the same name from another index could be installed instead; lock it again"
        )


def pipfile_lock(path: str, content: bytes) -> str:
    """Convert a Pipfile.lock to lines, without its development packages.

    :raises ResourceError: it is not a valid Pipfile.lock.
    """
    try:
        lock = json.loads(content)
        sources = lock.get("_meta", {}).get("sources", [])
        # The host's own configuration chooses the mirror of PyPI.
        urls = [source["url"] for source in sources if not _PYPI.match(source["url"])]
        entries = [_pipfile_line(name, entry) for name, entry in lock["default"].items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResourceError(
            f"{path}: not a valid Pipfile.lock ({type(error).__name__}: {error}); run `pipenv lock` again"
        ) from None
    return "".join(f"{line}\n" for line in [*(f"--extra-index-url {url}" for url in urls), *entries])


def _pipfile_line(name: str, entry: Mapping[str, Any]) -> str:
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    marker = f" ; {entry['markers']}" if entry.get("markers") else ""
    for system in ("git", "hg", "svn", "bzr"):
        if system in entry:
            folder = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
            url = entry[system].removeprefix(f"{system}+")
            url = _SCP.sub(r"ssh://\1/", url) if system == "git" else url
            return f"{name}{extras} @ {system}+{url}@{entry['ref']}{folder}{marker}"
    if "path" in entry:
        return f"{entry['path']}{extras}{marker}"
    hashes = "".join(f" --hash={each}" for each in entry.get("hashes", []))
    if "file" in entry:
        return f"{name}{extras} @ {entry['file']}{marker}{hashes}"
    # An entry without a version has a source of an unknown kind: KeyError.
    version = entry["version"]
    return f"{name}{extras}{'' if version == '*' else version}{marker}{hashes}"


def of_project(document: Document) -> RequirementLines:
    """Return the dependencies in a pyproject.toml's table [project].

    :raises ResourceError: they are dynamic.
    """
    if "dependencies" in document.project.get("dynamic", []):
        raise ResourceError(
            f"{document.name}: found dynamic dependencies, expected them in `dependencies` of [project]; or name the "
            f"file that has them in `requirements`, beside or instead of {document.name}"
        )
    return RequirementLines(
        "", "".join(f"{line}\n" for line in document.project.get("dependencies", [])), complete=False
    )
