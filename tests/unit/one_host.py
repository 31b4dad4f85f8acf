"""An app's releases below a folder, and a supervisord that keeps its books and starts nothing."""

from __future__ import annotations

import xmlrpc.client
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.hostkit.app.layout import Layout, Record
from hostsmith.hostkit.supervisor import supervisord
from hostsmith.resources.release import live, settled, singletons

OLD, NEW = "20261120-101500-1f3c2ab", "20261121-101500-2f3c2ab"


class Here(Layout):
    """The paths of an app with what is elsewhere on a host below the same folder."""

    @property
    def logs(self) -> str:
        return f"{self.base}/log"

    @property
    def boot_config(self) -> str:
        return f"{self.base}/conf.d/{self.app}.conf"

    @property
    def singletons_boot_config(self) -> str:
        return f"{self.base}/conf.d/{self.app}.singletons.conf"

    @property
    def candidate_config(self) -> str:
        return f"{self.base}/conf.d/{self.app}.candidate.conf"


class Supervisord:
    """What supervisord answers: a group that is added runs a process `web`, until it is stopped.

    :param asked: the calls that change something, each with its first argument.
    :param after: what else happens at a call, by its name.
    """

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.after: dict[str, Any] = {}

    def call(self, method: str, *arguments: Any) -> Any:
        if method == "getAllProcessInfo":
            return [self._info(group, state) for group, state in self.states.items()]
        group = str(arguments[0]) if arguments else ""
        self.asked.append((method, group))
        if method == "addProcessGroup" and group in self.states:
            raise xmlrpc.client.Fault(supervisord.ALREADY_ADDED, "ALREADY_ADDED")
        if method in ("stopProcessGroup", "removeProcessGroup") and group not in self.states:
            raise xmlrpc.client.Fault(supervisord.BAD_NAME, "BAD_NAME")
        if method in ("addProcessGroup", "startProcessGroup"):
            self.states[group] = "RUNNING"
        if method == "stopProcessGroup":
            self.states[group] = "STOPPED"
        if method == "removeProcessGroup":
            del self.states[group]
        if follow := self.after.get(method):
            follow(group)
        return True

    def _info(self, group: str, state: str) -> dict[str, Any]:
        return {"group": group, "name": "web", "statename": state, "pid": 0, "spawnerr": "", "description": "gone"}


@dataclass(frozen=True)
class Health(HealthCheck):
    """Answers of the health page, one after the other; the last one stays. None is well."""

    answers: list[str | None] = field(default_factory=lambda: [None])

    def _ask(self, connect: Any) -> str | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def health(*answers: str | None) -> Health:
    return Health("/", "blog.example.com", ((200, 299),), 0.2, answers=list(answers) or [None])


class OneHost:
    """A host with two releases of an app; the old one is live and runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.layout = Here("blog", str(folder))
        for path in ("conf.d", "log"):
            (folder / path).mkdir()
        for name in (OLD, NEW):
            self.add(name)
        self.layout.mark(OLD, "proven")
        self.supervisord = Supervisord()
        self.point(OLD)
        self.supervisord.states[self.layout.group(OLD)] = "RUNNING"
        monkeypatch.setattr(supervisord, "call", self.supervisord.call)
        for module in (live, settled, singletons):
            monkeypatch.setattr(module, "Layout", lambda app: Here(app, str(folder)))

    def add(self, name: str) -> None:
        program = Path(self.layout.release(name), "venv/bin/python")
        program.parent.mkdir(parents=True)
        program.touch()
        self.layout.write_record(Record(name))

    def point(self, name: str) -> None:
        Path(self.layout.current).symlink_to(f"releases/{name}")

    @property
    def running(self) -> list[str]:
        return [group.removeprefix("blog-") for group in self.supervisord.states]

    def state(self, name: str) -> str:
        return self.layout.record(name).state
