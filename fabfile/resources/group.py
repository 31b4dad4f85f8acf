"""Unix group."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.base import Change, Resource
from ..hostkit.linux import system


@dataclass(frozen=True)
class Group(Resource):
    """A Unix group.

    :param system: whether it is a system group, with a low number.
    """

    name: str
    system: bool = False

    def describe(self) -> str:
        return f"group {self.name}"

    def check(self) -> Change | None:
        if system.gid(self.name) is not None:
            return None
        argv = ["groupadd", *(["--system"] if self.system else []), "--", self.name]
        return Change("created", lambda: self._run(*argv), lambda: self._run("groupdel", "--", self.name))

    @staticmethod
    def _run(*argv: str) -> None:
        system.run(argv)
