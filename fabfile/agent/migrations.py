"""Which migrations a database has had: what Django and Alembic say of it, and what releases have written down."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from . import system
from .layout import Layout

_FILE = "migrations.json"
_PLANNED = re.compile(r"^\[X\]\s+(\S+)", re.MULTILINE)
_REVISION = re.compile(r"^\S.* -> (\w+)(?:[ ,(]|$)", re.MULTILINE)


@dataclass(frozen=True)
class Migrations:
    """What a release's command did to the database.

    :param before: the migrations that the database had had, in their order.
    :param after: those that it had had then.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def applied(self) -> list[str]:
        """Those that the release's command applied."""
        return [name for name in self.after if name not in self.before]


def applied(layout: Layout, release: str, timeout: float) -> tuple[str, ...]:
    """The migrations that the database has had, as the code of a release tells; nothing where it has no such tool.

    :raises CommandError: the tool fails, as it does before there is a database.
    """
    start = f"{layout.release(release)}/start"
    found: list[str] = []
    for argv, pattern in _tools(f"{layout.release(release)}/code"):
        done = system.run([start, "run", *argv], user=layout.app, timeout=timeout)
        names = pattern.findall(done.stdout.decode("utf-8", "replace"))
        found += names if pattern is _PLANNED else reversed(names)
    return tuple(found)


def are_told(layout: Layout, release: str) -> bool:
    """Whether the code of a release has a tool that says which migrations the database has had."""
    return any(_tools(f"{layout.release(release)}/code"))


def _tools(code: str) -> Iterator[tuple[list[str], re.Pattern[str]]]:
    if b"django" in (system.read(f"{code}/manage.py") or b""):
        yield ["python", "manage.py", "showmigrations", "--plan"], _PLANNED
    if os.path.exists(f"{code}/alembic.ini"):
        yield ["alembic", "history", "--rev-range", ":current"], _REVISION


def write(layout: Layout, release: str, migrations: Migrations) -> None:
    """Have a release remember what its command did."""
    text = json.dumps(asdict(migrations)) + "\n"
    system.write_back(f"{layout.release(release)}/{_FILE}", text.encode(), mode=0o644)


def written(layout: Layout, release: str) -> Migrations | None:
    """What a release remembers; None of one whose command ran elsewhere, or that had none."""
    text = system.read(f"{layout.release(release)}/{_FILE}")
    if not text:
        return None
    data = json.loads(text)
    return Migrations(tuple(data["before"]), tuple(data["after"]))
