"""Locks, and the dependencies of a pyproject.toml, as lines that `pip install -r` and `uv pip install -r` understand.

A lock is read by the tool that has written it, which knows its formats, old and new. Only Pipfile.lock is read here:
it is JSON with a line's worth in each entry, and pipenv would bring forty packages to say the same.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..resources.base import ResourceError
from . import filesystem
from .requirements import PYPROJECT

# In a virtualenv's own Python: before 3.11, pip has the reader of TOML.
_PROJECT = """
import json, sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
try:
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(tomllib.load(file).get("project", {}), default=str))
except ValueError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
"""


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


def pipfile_lock(path: str) -> str:
    """The lines of a Pipfile.lock, without its packages for development.

    :raises ResourceError: it is none.
    """
    try:
        lock = json.loads(filesystem.read(path) or b"")
        sources = lock.get("_meta", {}).get("sources", [])
        # The one that pipenv writes by itself is called so; which index is the default is the host's business.
        urls = [source["url"] for source in sources if source.get("name") != "pypi"]
        entries = [_pipfile_line(name, entry) for name, entry in lock["default"].items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResourceError(
            f"{path}: found {type(error).__name__}: {error}, expected what `pipenv lock` writes; run it again"
        ) from None
    return "".join(f"{line}\n" for line in [*(f"--extra-index-url {url}" for url in urls), *entries])


def _pipfile_line(name: str, entry: Mapping[str, Any]) -> str:
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    marker = f" ; {entry['markers']}" if entry.get("markers") else ""
    if "git" in entry:
        folder = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
        return f"{name}{extras} @ git+{entry['git']}@{entry['ref']}{folder}{marker}"
    if "path" in entry:
        return f"{entry['path']}{extras}{marker}"
    hashes = "".join(f" --hash={each}" for each in entry.get("hashes", []))
    if "file" in entry:
        return f"{name}{extras} @ {entry['file']}{marker}{hashes}"
    version = entry.get("version", "*")
    return f"{name}{extras}{'' if version == '*' else version}{marker}{hashes}"


def of_project(path: str, run: Callable[[Sequence[str]], str], python: str) -> Lines:
    """The dependencies that a pyproject.toml has in its table [project].

    :param run: runs a program and returns what it prints.
    :param python: the virtualenv's.
    :raises ResourceError: it does not say them.
    """
    project = json.loads(run([python, "-c", _PROJECT, path]))
    if "dependencies" in project.get("dynamic", []):
        raise ResourceError(
            f"{os.path.basename(path)} says that its dependencies are dynamic, expected them in "
            f"`dependencies` of [project]; or name the file that has them in `requirements`, beside or instead of "
            f"{PYPROJECT}"
        )
    return Lines("", "".join(f"{line}\n" for line in project.get("dependencies", [])), complete=False)
