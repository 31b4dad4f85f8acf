"""What can be found out about a project, each with the reason for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Literal

Interface = Literal["wsgi", "asgi", "paste"]

UVICORN = "uvicorn_worker.UvicornWorker"


@dataclass(frozen=True)
class Finding:
    """Something that was found out.

    :param reason: where it is seen, to be read after "because"; empty when somebody has said it.
    """

    value: str
    reason: str


@dataclass(frozen=True)
class App:
    """An app that gunicorn could serve.

    :param framework: as its makers write it, such as FastAPI; WSGI or ASGI when there is none.
    :param target: what gunicorn is told: `module:name`, `module:factory()`, or a PasteDeploy file.
    :param folder: where its modules are imported from, seen from the project; empty for the project's own folder.
    :param file: where it is made.
    :param name: of the variable or function; empty for a PasteDeploy file.
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
        """Whether it is made by a call."""
        return self.target.endswith("()")

    @property
    def command(self) -> str:
        """The command of the web process."""
        words = ["gunicorn"]
        if self.interface == "asgi":
            words += ["-k", UVICORN]
        if self.folder:
            # Only a folder that is there for the import's sake is not the one that an app expects to be run in.
            words += ["--pythonpath" if self.folder.rpartition("/")[2] == "src" else "--chdir", self.folder]
        words += ["--paste", self.target] if self.interface == "paste" else [self.target]
        return shlex.join(words)


@dataclass(frozen=True)
class Project:
    """What a folder says of the project in it.

    :param app: the app to serve; None when there is none, or none that can be imported.
    :param others: apps that it could be as well, the likelier first.
    :param processes: commands by the names of their processes, as far as they are clear.
    :param lacks_web: whether there is a Procfile in which the process that serves the site is not.
    :param requirements: the file that says what is installed; None when there is none.
    :param health: a page that tells whether the app is well; None: the start page.
    :param static: the folder of the static files, as the app knows it.
    :param framework: the one that a deploy knows more of than how to start it, as the settings call it.
    :param services: what it seems to need beside itself, by the names of the setting `services`.
    :param remarks: what the user should know besides.
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
