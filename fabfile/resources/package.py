"""Debian packages, installed in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from ..agent import apt
from .base import Change, Handler, Resource


@dataclass(frozen=True, init=False)
class Package(Resource):
    """Debian packages that must be installed: `Package("nginx")`, `Package("git", "rsync")`.

    Any version will do; upgrades are left to the host. What is missing is installed in one apt transaction.

    :param names: package names.
    :param max_age: seconds; when something is missing and the package lists are older, they are refreshed first.
    """

    names: tuple[str, ...] = ()
    max_age: int = 86400

    def __init__(self, *names: str, max_age: int = 86400, notify: Handler | tuple[Handler, ...] = ()) -> None:
        for field, value in (("names", names), ("max_age", max_age), ("notify", notify)):
            object.__setattr__(self, field, value)

    def describe(self) -> str:
        return f"package {', '.join(self.names)}"

    def check(self) -> Change | None:
        missing = apt.missing(self.names)
        if not missing:
            return None
        return Change(f"installed {', '.join(missing)}", lambda: apt.install(missing, self.max_age))
