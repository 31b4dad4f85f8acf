"""Locks, and the dependencies of a pyproject.toml, as lines that `pip install -r` and `uv pip install -r` understand.

A lock is read by the tool that has written it, which knows its formats, old and new. Only Pipfile.lock is read here:
it is JSON with a line's worth in each entry, and pipenv would bring forty packages to say the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.base import ResourceError
from .origins import Document

# Where a lock, or what is exported of one, names an index.
_INDEX = re.compile(r"""(?:\bregistry = "|^--(?:extra-)?index-url[ =]|^--find-links[ =])([^"\s]+)""", re.MULTILINE)
_PYPI = re.compile(r"https://pypi\.(?:python\.)?org/simple/?\Z")
# How git writes an address for SSH without saying so, which neither pip nor uv reads in a line.
_SCP = re.compile(r"\A((?:[\w.-]+@)?[\w.-]+):(?!//)/?")
# A line that says which package, and not where it is from.
_BY_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?\s*(?:[=<>!~;]|\Z)")


@dataclass(frozen=True)
class Exporter:
    """The tool that reads a kind of lock.

    :param name: of the tool, for `tools`.
    :param packages: what is installed to have it.
    :param argv: what it is told, after its own program.
    :param env: and by its environment.
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
        # With the versions of all that it stands on which it was tested with.
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
class Lines:
    """Requirements as lines.

    :param hashed: those with hashes, by which they are checked.
    :param other: those without: of repositories, folders, or a lock that has none.
    :param complete: whether they are all there are, and nothing is looked up beside them.
    """

    hashed: str
    other: str
    complete: bool


def split(text: str) -> Lines:
    """What an exporter has printed; pip refuses a file in which only some have hashes."""
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
    return Lines(_text(hashed), _text(other), complete=True)


def _text(lines: Sequence[str]) -> str:
    """As a file; nothing when there are but options."""
    return "".join(f"{line}\n" for line in lines) if any(not line.startswith("-") for line in lines) else ""


def require_told_apart(name: str, lock: str, lines: Lines) -> None:
    """See that no package of another index can be taken for one of the same name: by its hash.

    :param name: of the lock.
    :param lock: its text, or what an exporter has made of it.
    :raises ResourceError: one has none.
    """
    others = [url for url in _INDEX.findall(lock) if not _PYPI.match(url)]
    loose = [line for line in lines.other.splitlines() if _BY_NAME.match(line)]
    if others and loose:
        raise ResourceError(
            f"{name}: found {loose[0]!r} without a hash beside the index {others[0]}, expected hashes: without them, a "
            "package of the same name of another index could be installed in its place; lock it again"
        )


def pipfile_lock(path: str, content: bytes) -> str:
    """The lines of a Pipfile.lock, without its packages for development.

    :raises ResourceError: it is none.
    """
    try:
        lock = json.loads(content)
        sources = lock.get("_meta", {}).get("sources", [])
        # Which mirror stands for PyPI is the host's business.
        urls = [source["url"] for source in sources if not _PYPI.match(source["url"])]
        entries = [_pipfile_line(name, entry) for name, entry in lock["default"].items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResourceError(
            f"{path}: found {type(error).__name__}: {error}, expected what `pipenv lock` writes; run it again"
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
    # What has no version is from somewhere that is not known here.
    version = entry["version"]
    return f"{name}{extras}{'' if version == '*' else version}{marker}{hashes}"


def of_project(document: Document) -> Lines:
    """The dependencies that a pyproject.toml has in its table [project].

    :raises ResourceError: it does not say them.
    """
    if "dependencies" in document.project.get("dynamic", []):
        raise ResourceError(
            f"{document.name} says that its dependencies are dynamic, expected them in "
            f"`dependencies` of [project]; or name the file that has them in `requirements`, beside or instead of "
            f"{document.name}"
        )
    return Lines("", "".join(f"{line}\n" for line in document.project.get("dependencies", [])), complete=False)
