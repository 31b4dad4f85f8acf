"""Applied migrations of a database, by Django or Alembic, and their record per release."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ..linux import filesystem, system
from .layout import Layout

_FILE = "migrations.json"
_PLANNED = re.compile(r"^\[X\]\s+(\S+)", re.MULTILINE)
_CURRENT = re.compile(r"^\w+(?: \(.*\))*$", re.MULTILINE)
_REVISION = re.compile(r"^(?:<base>|\w+(?:, \w+)*) -> (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Migrations:
    """The effect of a release command on the database.

    :param before: the migrations applied before it, in their order.
    :param after: the migrations applied after it.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def applied(self) -> list[str]:
        """The migrations that the release command applied."""
        return [name for name in self.after if name not in self.before]


def applied(layout: Layout, release: str, timeout: float) -> tuple[str, ...]:
    """List the migrations applied to the database, by a release's own tool; empty where it has none.

    :param timeout: limit in seconds for each command.
    :raises CommandError: a tool fails.
    """

    def output(*argv: str) -> str:
        start = f"{layout.release(release)}/start"
        done = system.run([start, "run", *argv], user=layout.app, timeout=timeout)
        return done.stdout.decode("utf-8", "replace")

    return tuple(name for tool in _tools(layout, release) for name in tool(output))


def can_list(layout: Layout, release: str) -> bool:
    """Whether the code of a release has a tool that lists applied migrations."""
    return bool(_tools(layout, release))


def _tools(layout: Layout, release: str) -> list[Callable[[Callable[..., str]], list[str]]]:
    code = f"{layout.release(release)}/code"
    # A link may lead anywhere, and the code is untrusted.
    is_django = not os.path.islink(f"{code}/manage.py") and b"django" in (filesystem.read(f"{code}/manage.py") or b"")
    return [*([_django] if is_django else []), *([_alembic] if os.path.exists(f"{code}/alembic.ini") else [])]


def _django(output: Callable[..., str]) -> list[str]:
    return _PLANNED.findall(output("python", "manage.py", "showmigrations", "--plan"))


def _alembic(output: Callable[..., str]) -> list[str]:
    # Without a current revision, `:current` means all revisions.
    if not _CURRENT.search(output("alembic", "current")):
        return []
    return _REVISION.findall(output("alembic", "history", "--rev-range", ":current"))[::-1]


def write(layout: Layout, release: str, migrations: Migrations) -> None:
    """Record the effect of a release command."""
    text = json.dumps(asdict(migrations)) + "\n"
    filesystem.write_back(f"{layout.release(release)}/{_FILE}", text.encode(), mode=0o644)


def written(layout: Layout, release: str) -> Migrations | None:
    """Read the effect of a release command; None when it ran on another host, or never."""
    text = filesystem.read(f"{layout.release(release)}/{_FILE}")
    if not text:
        return None
    data = json.loads(text)
    return Migrations(tuple(data["before"]), tuple(data["after"]))
