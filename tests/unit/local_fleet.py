"""A fleet without hosts: real agents in processes of this machine, at the seam above SSH."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hostsmith.connection.session import Session
from hostsmith.console import Console
from hostsmith.contract.events import Event
from hostsmith.deployment.deployment import Deployment, Rollout
from hostsmith.errors import ConnectError, LostError
from hostsmith.fleet import Member
from hostsmith.inventory.project import settings_of
from hostsmith.inventory.targets import Target
from hostsmith.openssh.host import Host
from hostsmith.resources import Resource
from hostsmith.settings import Settings
from local_host import Agent
from own_release import Step, Switch

OLD, NEW = "20260101-000000-aaaaaaa", "20260102-000000-bbbbbbb"


class LocalChannel:
    """The agent of a host as a process of this machine; what `AgentChannel` is over SSH."""

    def __init__(self, host: LocalHostOfFleet) -> None:
        self.host, self.machine = host.name, host.name
        self._host = host
        self._agent = Agent(host.folder)

    def send(self, frames: Sequence[dict[str, Any]]) -> None:
        self._host.trips.append([frame["op"] for frame in frames])
        for frame in frames:
            if frame["op"] == self._host.dies_at:
                # Python itself, below the shells that have started it.
                os.kill(json.loads(Path(self._agent.lock_path).read_text())["pid"], signal.SIGKILL)
            self._agent.send(**{**frame, **self._places(frame["op"])})

    def _places(self, op: str) -> dict[str, str]:
        """Where an agent without root keeps what it keeps."""
        if op == "lock":
            return {"path": self._agent.lock_path, "journal": self._agent.journal}
        if op == "converge":
            return {"journal": self._agent.journal, "folder": str(self._agent.folder / "state")}
        return {}

    def events(self) -> Iterator[Event]:
        while True:
            yield from (found := [e for e in self._agent.events() if e["event"] != self._host.swallows])
            if not found or found[-1]["event"] != "done":
                return

    def last_events(self) -> Iterator[Event]:
        return (event for event in self._agent.events() if event["event"] != "done")

    def finish(self) -> None:
        self._agent.close()

    def wait(self) -> None:
        self._agent.process.wait(30)

    def close(self) -> None:
        self._agent.__exit__()

    def died(self) -> Exception:
        return LostError(f"{self.host}: the connection was lost")


@dataclass
class LocalHostOfFleet:
    """One host: a folder with `current`, and with files that make a step fail.

    :ivar dies_at: the request at which its agent is killed.
    :ivar swallows: the kind of event that it keeps to itself.
    :ivar trips: the requests that were sent together, in order.
    """

    name: str
    folder: Path
    is_reachable: bool = True
    dies_at: str = ""
    swallows: str = ""
    trips: list[list[str]] = field(default_factory=list)

    @property
    def live(self) -> str:
        return os.readlink(self.folder / "current")

    def mark(self, name: str) -> None:
        (self.folder / name).touch()

    def open(self) -> Session:
        if not self.is_reachable:
            raise ConnectError(f"{self.name}: no route to host")
        return Session(LocalChannel(self))  # type: ignore[arg-type]


class LocalFleet:
    """Hosts, and deployments over them whose steps only leave marks."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.hosts = {name: LocalHostOfFleet(name, folder / name) for name in names}
        for host in self.hosts.values():
            host.folder.mkdir()
            (host.folder / "current").symlink_to(OLD)

    def __getitem__(self, name: str) -> LocalHostOfFleet:
        return self.hosts[name]

    @property
    def log(self) -> list[str]:
        """The steps that were taken, in order, each with its host."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def live(self) -> list[str]:
        return [host.live for host in self.hosts.values()]

    def settings(self, **values: Any) -> Settings:
        processes = {"web": "gunicorn blog:app", "release": "migrate"}
        hosts = [{"host": name, "workers": number} for number, name in enumerate(self.hosts, start=1)]
        given = {"app": "blog", "processes": processes, "lock_timeout": 1, "roles": {"web": hosts}}
        return settings_of(**{**given, **values}).placed(self.folder, {})

    def deployment(self, *, skip_unreachable: bool = False, **values: Any) -> Deployment:
        settings = self.settings(**values)
        targets = [
            Target(SimpleNamespace(name=name), Host(name), settings.roles_of(Host(name)), settings.on(Host(name)))
            for name in self.hosts
        ]
        console = Console(quiet=True)
        context: Any = None
        return Deployment(context, settings, targets, console, "deploy", skip_unreachable=skip_unreachable)

    def rollout(self, deployment: Deployment, **more: Any) -> Rollout:
        """A release that is prepared by a step of that name."""
        return Rollout(NEW, dict.fromkeys(deployment.fleet.members, OLD), self.prepare, **more)

    def prepare(self, member: Member) -> list[Resource]:
        return [self.step(member.label, "prepare")]

    def step(self, name: str, step: str) -> Step:
        return Step(str(self[name].folder), step)

    def deploy(self, **options: Any) -> Deployment:
        with self.deployment(**options) as deployment:
            deployment.run(lambda answers: self.rollout(deployment))
        return deployment


def local_fleet(folder: Path, monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> LocalFleet:
    """Hosts whose sessions are with local agents, and recipes of a release that only leave marks."""
    fleet = LocalFleet(folder, names)
    monkeypatch.setattr("hostsmith.inventory.targets.ssh.label", lambda connection: connection.name)
    monkeypatch.setattr("hostsmith.fleet.member.open_session", lambda connection: fleet[connection.name].open())

    def step(settings: Settings, name: str) -> Step:
        # A recipe knows its host by the settings alone, where each has another number.
        return Step(str(fleet[names[settings.workers - 1]].folder), name)

    def live(settings: Settings, roles: Any, release: str) -> Switch:
        return Switch(str(fleet[names[settings.workers - 1]].folder), release)

    release = "hostsmith.recipes.release"
    monkeypatch.setattr(f"{release}.live", live)
    monkeypatch.setattr(f"{release}.release_command", lambda settings, release: [Step("", "release")])
    monkeypatch.setattr(f"{release}.settled", lambda settings, new, old, retire: step(settings, f"settle {retire}"))
    monkeypatch.setattr(f"{release}.pruned", lambda settings: step(settings, "prune"))
    monkeypatch.setattr(f"{release}.singletons", lambda settings, release_id: step(settings, "start singletons"))
    monkeypatch.setattr(f"{release}.singletons_ended", lambda settings, release_id: step(settings, "stop singletons"))
    return fleet
