"""Steps of a release that leave marks in a folder: this module travels to the agents of `local_fleet`."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostsmith.agent import queries
from hostsmith.resources import Change, Resource, ResourceError
from hostsmith.resources.found import FoundLink


def here() -> Path:
    """The folder of this host, once a step has been taken on it; each request loads this module again."""
    return Path(os.environ["ROOT"])


def go_to(root: str) -> Path:
    """The folder of this host, from now on."""
    os.environ["ROOT"] = root or os.environ["ROOT"]
    return here()


def verify(app: str, release: str, health: Any, port: Any) -> dict[str, Any]:
    """Stand for the query that looks at processes and the health page."""
    log(here(), "verify")
    problem = "no answer" if (here() / "unhealthy").exists() else None
    runs = ["blog-old-singletons"] if (here() / "runs").exists() else []
    return {"problem": problem, "runs": runs, "starts": (here() / "starts").exists()}


def log(root: Path, step: str) -> None:
    with (root.parent / "log").open("a") as file:
        file.write(f"{root.name} {step}\n")


@dataclass(frozen=True)
class Step(Resource):
    """A step that only leaves a mark; fails if the host's folder says so.

    :param root: that folder; empty for the one of the step before.
    """

    root: str
    name: str

    def describe(self) -> str:
        return self.name

    def check(self) -> Change | None:
        return Change("done", self._apply)

    def _apply(self) -> None:
        root = go_to(self.root)
        log(root, self.name)
        if (root / f"{self.name} fails").exists():
            raise ResourceError(f"{self.name} fails here")


@dataclass(frozen=True)
class Switch(Resource):
    """The release that `current` of a host is a link to."""

    root: str
    release: str
    # As those of a release's own resource.
    app: str = "blog"
    health: None = None
    port: None = None

    def describe(self) -> str:
        return f"live release {self.release}"

    def check(self) -> Change | None:
        go_to(self.root)
        # Here, and not on top: the tests' own process has this module, too.
        queries.verify = verify
        before = os.readlink(self._current)
        if before == self.release:
            return None
        found = FoundLink(self._current, before)
        return Change("switched", self._apply, found, durable=(found,))

    @property
    def _current(self) -> str:
        return f"{self.root}/current"

    def _apply(self) -> None:
        root = Path(self.root)
        log(root, "activate")
        self._link(self.release)
        if (root / "activate fails").exists():
            raise ResourceError("it does not start here")
        if (root / "activate dies").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    def _link(self, release: str) -> None:
        os.symlink(release, f"{self._current}.new")
        os.replace(f"{self._current}.new", self._current)
