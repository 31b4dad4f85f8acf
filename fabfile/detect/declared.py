"""Name, packages and requirements that a project's files declare."""

from __future__ import annotations

import configparser
import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..contract.base import ResourceError
from ..errors import SourceError
from ..hostkit.build.requirements import PYPROJECT, chosen, is_list
from .model import Finding
from .tree import Tree
from .workspace import require_whole

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Requirements files for a server that a deploy does not find by itself, the likeliest first.
_REQUIREMENTS = (
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements-prod.txt",
    "requirements-production.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
)
# Clients of services, by the service's name in the settings.
_SERVICES = {
    "postgres": ("psycopg", "psycopg2", "psycopg2-binary", "asyncpg", "pg8000"),
    "mysql": ("mysqlclient", "pymysql", "aiomysql", "mysql-connector-python"),
    "redis": ("redis", "django-redis", "rq", "django-rq", "flask-redis"),
    "memcached": ("pymemcache", "pylibmc", "python-memcached"),
}
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_INCLUDED = re.compile(r"\s*(?:-r|--requirement)[\s=]\s*(\S+)")


@dataclass(frozen=True)
class Declared:
    """Declarations in the files of a project.

    :param name: the project's name; None without one.
    :param packages: the file that requires a package, by the package's name in lower case with dashes.
    :param requirements: the requirements file for a server; None without one.
    """

    name: Finding | None = None
    packages: dict[str, str] = field(default_factory=dict)
    requirements: Finding | None = None
    remarks: tuple[str, ...] = ()


def declared(tree: Tree, folder: str = "") -> Declared:
    """Read requirements files, pyproject.toml, Pipfile and setup.cfg.

    :param folder: folder of the app; its files win over those of the project folder.
    """
    places = [f"{folder}/", ""] if folder else [""]
    tables, remarks = {}, []
    for path in [f"{place}{name}" for place in reversed(places) for name in ("Pipfile", "pyproject.toml")]:
        try:
            tables[path] = tomllib.loads(tree.text(path)) if tree.has(path) else {}
        except tomllib.TOMLDecodeError as error:
            remarks.append(f"{path} was skipped: it is not valid TOML ({error})")
    requirements = next((path for place in places for path in _requirement_files(tree, place)), None)
    packages = {name: path for path, table in tables.items() for name in _toml_packages(table)}
    if requirements and is_list(requirements):
        packages.update(_required(tree, requirements, set()))
    return Declared(
        next((found for path, table in tables.items() if (found := _toml_name(path, table))), _setup_name(tree)),
        packages,
        Finding(requirements, "it is there") if requirements else None,
        (*remarks, *filter(None, [_lacks(tree, requirements)])),
    )


def _requirement_files(tree: Tree, place: str) -> Iterator[str]:
    """List the requirements files of a folder, the one that a deploy would choose first."""
    with contextlib.suppress(ResourceError):
        for name in chosen(str(tree.root / place)):
            # A member of a uv workspace: its lock is above.
            if not (place and tree.has("uv.lock") and name == PYPROJECT and _lacks(tree, place + name)):
                yield place + name
    yield from (place + name for name in _REQUIREMENTS if tree.has(place + name))


def _lacks(tree: Tree, requirements: str | None) -> str:
    """Describe how a uv workspace above changes a requirements file; empty if it does not."""
    try:
        if requirements is not None and requirements.rpartition("/")[2] == PYPROJECT:
            require_whole((tree.root / requirements).parent, [PYPROJECT])
    except SourceError as error:
        return str(error)
    return ""


def services(says: Declared) -> tuple[Finding, ...]:
    """List the services whose clients are among the packages of a project."""
    found = ((service, name) for service, names in _SERVICES.items() for name in names if name in says.packages)
    by_service: dict[str, str] = {}
    for service, name in found:
        by_service.setdefault(service, name)
    return tuple(Finding(service, f"{says.packages[name]} requires {name}") for service, name in by_service.items())


def _toml_name(path: str, table: Mapping[str, Any]) -> Finding | None:
    for key, section in (("project", table.get("project")), ("tool.poetry", _at(table, "tool", "poetry"))):
        name = _at(section, "name")
        if isinstance(name, str):
            return Finding(name, f"it is the name in [{key}] of {path}")
    return None


def _setup_name(tree: Tree) -> Finding | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(tree.text("setup.cfg") if tree.has("setup.cfg") else "")
    except configparser.Error:
        return None
    name = parser.get("metadata", "name", fallback="")
    return Finding(name, "it is the name in [metadata] of setup.cfg") if name else None


def _toml_packages(table: Mapping[str, Any]) -> Iterator[str]:
    listed = _at(table, "project", "dependencies")
    for requirement in listed if isinstance(listed, list) else []:
        yield from _names(str(requirement))
    for section in (_at(table, "tool", "poetry", "dependencies"), table.get("packages")):
        for name in section if isinstance(section, dict) else ():
            yield from _names(str(name))


def _at(table: Any, *keys: str) -> Any:
    """Look up a path in nested tables; None if it is missing."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _required(tree: Tree, path: str, seen: set[str]) -> dict[str, str]:
    """List the packages of a requirements file, and of those that it includes."""
    if path in seen or not tree.has(path):
        return {}
    seen.add(path)
    found = {}
    for line in tree.text(path).splitlines():
        if included := _INCLUDED.match(line):
            folder = path.rpartition("/")[0]
            found.update(_required(tree, f"{folder}/{included[1]}".lstrip("/"), seen))
        found.update(dict.fromkeys(_names(line), path))
    return found


def _names(requirement: str) -> Iterator[str]:
    """Normalise the package of a requirement, and add the name with `[standard]` if the requirement has this extra."""
    if found := _NAME.match(requirement):
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        yield name
        if requirement[found.end() :].replace(" ", "").startswith("[standard]"):
            yield f"{name}[standard]"
