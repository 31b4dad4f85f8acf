"""What a project brings of its own: this module travels to the host with the resources that need it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from hostsmith.contract.base import PutBack
from hostsmith.resources import Change, Handler, Resource, ResourceError


@dataclass(frozen=True)
class Append(Handler):
    """Add a line to a file, for a test to count; fails while the file's folder is missing."""

    path: str
    line: str = "ran"

    def describe(self) -> str:
        return f"append {self.line}"

    def run(self) -> None:
        try:
            with open(self.path, "a") as file:
                file.write(f"{self.line}\n")
        except FileNotFoundError:
            raise ResourceError(f"{self.path}: no folder for it") from None


@dataclass(frozen=True)
class Half(Resource):
    """Writes half of what it wants and fails, unless it is told to succeed; what it wrote can be undone, or not."""

    path: str
    undoable: bool = True
    stubborn: bool = False

    def describe(self) -> str:
        return f"half {Path(self.path).name}"

    def check(self) -> Change | None:
        return Change("halved", self._apply, self._undo if self.undoable else None)

    def _apply(self) -> None:
        Path(self.path).write_text("half")
        raise ResourceError("the other half is missing")

    def _undo(self) -> None:
        if self.stubborn:
            raise ResourceError("it does not go")
        Path(self.path).unlink()


@dataclass(frozen=True)
class Buggy(Resource):
    """A resource with a mistake in it."""

    def describe(self) -> str:
        return "buggy"

    def check(self) -> Change | None:
        raise KeyError("a mistake")


@dataclass(frozen=True)
class HungUp(PutBack):
    """A way back on which the controller goes away, once."""

    path: str

    def describe(self) -> str:
        return self.path

    def __call__(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        Path(self.path).write_text("put back")


@dataclass(frozen=True)
class Stubborn(PutBack):
    """A way back that there is none of."""

    def describe(self) -> str:
        return "stubborn"

    def __call__(self) -> None:
        raise ResourceError("it does not go")

    def at_boot(self) -> list[str]:
        return []


@dataclass(frozen=True)
class Doubtful(Resource):
    """A change that cannot be taken back, and fails unless it is told to succeed; in the journal from before it."""

    fails: bool = True

    def describe(self) -> str:
        return "doubtful"

    def check(self) -> Change | None:
        return Change("begun", self._apply, Stubborn(), durable=(Stubborn(),))

    def _apply(self) -> None:
        if self.fails:
            raise ResourceError("it stopped half-way")
