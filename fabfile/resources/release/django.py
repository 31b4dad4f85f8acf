"""Django steps of a release: collectstatic and the deployment checks."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...hostkit.app.layout import Layout
from ...hostkit.build.builder import Builder
from ...hostkit.linux import folders, space, system

_WARNING = re.compile(r"^(\S+): \((\w+\.\w+)\) (.*)$", re.MULTILINE)
_DOCS = "docs/django.md has the lines for settings.py"


@dataclass(frozen=True)
class Collected(Resource):
    """The output of `manage.py collectstatic`, in the release's folder `static`.

    The build user runs it: the app can read the served files, and cannot change them.

    :param timeout: limit in seconds.
    """

    app: str
    release: str
    timeout: float

    def describe(self) -> str:
        return "collectstatic"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        folder = layout.static(self.release)
        if os.path.isdir(folder):
            return None

        def apply() -> None:
            with space.explained(layout.root):
                self._collect(layout, folder)

        return Change("collected", apply, lambda: folders.remove(folder))

    def _collect(self, layout: Layout, folder: str) -> None:
        # The project's own code runs with the project's own environment.
        builder = Builder.of_project(self.app)
        folders.make(folder)
        with builder.owning(folder):
            try:
                builder.run(_manage(layout, self.release, "collectstatic", "--noinput"), timeout=self.timeout)
            except system.CommandError as error:
                if "Unknown command: 'collectstatic'" in str(error):
                    note("django.contrib.staticfiles is not installed, so no static files are collected")
                    return
                hint = "it runs as a user who can read what the app can, and write only to STATIC_ROOT"
                raise ResourceError(f"{error}\n{hint}; {_DOCS}") from error
        if not folders.names(folder):
            note(f"collectstatic put nothing into {folder}: does settings.py read STATIC_ROOT? {_DOCS}")


@dataclass(frozen=True)
class DeployCheck(Resource):
    """A run of `manage.py check --deploy`: fails on errors, shows warnings.

    :param timeout: limit in seconds.
    """

    app: str
    release: str
    timeout: float

    def describe(self) -> str:
        return "check --deploy"

    def check(self) -> Change | None:
        return Change("ran", self._run)

    def _run(self) -> None:
        argv = _manage(Layout(self.app), self.release, "check", "--deploy")
        done = system.run(argv, user=self.app, timeout=self.timeout, label="manage.py check --deploy")
        found = _WARNING.findall((done.stdout + done.stderr).decode("utf-8", "replace"))
        if found:
            note("\n".join(["manage.py check --deploy:", *(_shortened(*words) for words in found)]))


def _manage(layout: Layout, release: str, *words: str) -> list[str]:
    return [f"{layout.release(release)}/start", "run", "python", "manage.py", *words]


def _shortened(where: str, check: str, text: str) -> str:
    """Shorten a warning to its first sentence."""
    place = "" if where == "?" else f"{where}: "
    return f"{check} {place}{text.partition('. ')[0].rstrip('.')}"
