"""Which migrations a database has had: what Django and Alembic say of it, and what releases have written down."""

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

    :param timeout: seconds that each command may take.
    :raises CommandError: a tool fails.
    """

    def output(*argv: str) -> str:
        start = f"{layout.release(release)}/start"
        done = system.run([start, "run", *argv], user=layout.app, timeout=timeout)
        return done.stdout.decode("utf-8", "replace")

    return tuple(name for tool in _tools(layout, release) for name in tool(output))


def are_told(layout: Layout, release: str) -> bool:
    """Whether the code of a release has a tool that says which migrations the database has had."""
    return bool(_tools(layout, release))


def _tools(layout: Layout, release: str) -> list[Callable[[Callable[..., str]], list[str]]]:
    code = f"{layout.release(release)}/code"
    # A link may lead anywhere, and the code is somebody else's.
    is_django = not os.path.islink(f"{code}/manage.py") and b"django" in (filesystem.read(f"{code}/manage.py") or b"")
    return [*([_django] if is_django else []), *([_alembic] if os.path.exists(f"{code}/alembic.ini") else [])]


def _django(output: Callable[..., str]) -> list[str]:
    return _PLANNED.findall(output("python", "manage.py", "showmigrations", "--plan"))


def _alembic(output: Callable[..., str]) -> list[str]:
    # Where there is no current one, `:current` stands for all that there are.
    if not _CURRENT.search(output("alembic", "current")):
        return []
    return _REVISION.findall(output("alembic", "history", "--rev-range", ":current"))[::-1]


def write(layout: Layout, release: str, migrations: Migrations) -> None:
    """Have a release remember what its command did."""
    text = json.dumps(asdict(migrations)) + "\n"
    filesystem.write_back(f"{layout.release(release)}/{_FILE}", text.encode(), mode=0o644)


def written(layout: Layout, release: str) -> Migrations | None:
    """What a release remembers; None of one whose command ran elsewhere, or that had none."""
    text = filesystem.read(f"{layout.release(release)}/{_FILE}")
    if not text:
        return None
    data = json.loads(text)
    return Migrations(tuple(data["before"]), tuple(data["after"]))
