"""Findings about a project, each with its reason."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Literal

Interface = Literal["wsgi", "asgi", "paste"]

UVICORN = "uvicorn_worker.UvicornWorker"


@dataclass(frozen=True)
class Finding:
    """A detected value.

    :param reason: evidence, to be read after "because"; empty if the user gave the value.
    """

    value: str
    reason: str


@dataclass(frozen=True)
class App:
    """An app that gunicorn could serve.

    :param framework: its official name, such as FastAPI; WSGI or ASGI without a framework.
    :param target: gunicorn's argument: `module:name`, `module:factory()`, or a PasteDeploy file.
    :param folder: folder to import its modules from, relative to the project; empty for the project folder.
    :param file: file that creates it.
    :param name: name of the variable or function; empty for a PasteDeploy file.
    """

    framework: str
    interface: Interface
    target: str
    folder: str
    file: str
    name: str
    reason: str

    @property
    def is_factory(self) -> bool:
        """Whether a function creates it."""
        return self.target.endswith("()")

    @property
    def command(self) -> str:
        """The command of the web process."""
        words = ["gunicorn"]
        if self.interface == "asgi":
            words += ["-k", UVICORN]
        if self.folder:
            # An app expects to run in its folder, unless that exists for imports only.
            words += ["--pythonpath" if self.folder.rpartition("/")[2] == "src" else "--chdir", self.folder]
        words += ["--paste", self.target] if self.interface == "paste" else [self.target]
        return shlex.join(words)


@dataclass(frozen=True)
class Project:
    """A project as detected from its folder.

    :param app: the app to serve; None if there is none that can be imported.
    :param others: other candidates, the likelier first.
    :param processes: commands by process name, as far as they are clear.
    :param lacks_web: whether there is a Procfile without the process that serves the site.
    :param requirements: the requirements file; None without one.
    :param health: page for the health check; None for the start page.
    :param static: folder of the static files, as the app has it.
    :param framework: value of the setting `framework`.
    :param services: services that it seems to need, by their names in the settings.
    :param remarks: other messages for the user.
    """

    name: Finding
    app: App | None
    others: tuple[App, ...] = ()
    processes: dict[str, Finding] = field(default_factory=dict)
    lacks_web: bool = False
    requirements: Finding | None = None
    health: Finding | None = None
    static: Finding | None = None
    framework: Finding | None = None
    services: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
