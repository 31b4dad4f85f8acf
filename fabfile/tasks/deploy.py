"""`fab deploy`: a new release of the app, live when it has proven healthy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..agent.layout import Record
from ..console import Console, print_json
from ..converge import run
from ..errors import ConvergeError, UsageError
from ..recipes.release import release as recipe
from ..release import new_record
from ..report import Report
from ..resources.release import ReleaseCode
from ..session import Session, whoami
from ..settings import load
from ..source import LocalSource, Source
from .base import Target, targets, task

if TYPE_CHECKING:
    from invoke.context import Context

    from ..settings import Settings


@task(
    help={
        "revision": "Branch, tag or commit to deploy; without it, `revision` of the settings.",
        "dirty": "Deploy a local folder as it is, with what is not committed.",
        "json": "Print one JSON document instead of lines.",
    }
)
def deploy(c: Context, revision: str | None = None, dirty: bool = False, json: bool = False) -> list[Report]:
    """Release a revision beside the old one, then switch."""
    settings = load(c)
    console = Console(quiet=json)
    hosts = targets(c, settings)
    with _origin(settings, revision or settings.revision, dirty) as origin:
        reports, record = _deploy_all(settings, hosts, origin, console)
    if json:
        print_json({"release": record.id, "hosts": [report.to_json() for report in reports]})
    for report in reports:
        if not report.ok:
            raise ConvergeError(f"deploy failed on {report.host}; what was live there before is live still")
    console.say(f"{settings.app}: release {record.id} is live ({record.subject})", style="bold green")
    return reports


@dataclass(frozen=True)
class _Origin:
    """Where the code comes from: a local folder whose state was taken, or a URL that a host resolves."""

    revision: str
    url: str | None = None
    local: LocalSource | None = None

    def resolve(self, settings: Settings, session: Session) -> Source:
        """The one state of the code that all hosts get."""
        if self.local is not None:
            return self.local.source
        found = session.ask("resolve", app=settings.app, url=self.url, revision=self.revision)
        return Source(found["commit"], found["commit"], found["subject"])

    def code(self, settings: Settings, source: Source, release_id: str, known: list[str]) -> ReleaseCode:
        """The code for one host: a pack of what it lacks, or the commit for it to fetch.

        :param known: ids of the commits and trees that the host has.
        """
        pack = self.local.pack(known) if self.local is not None else b""
        return ReleaseCode(settings.app, release_id, source.name, self.url, pack)


@contextmanager
def _origin(settings: Settings, revision: str, dirty: bool) -> Iterator[_Origin]:
    if not settings.source_is_local:
        if dirty:
            raise UsageError("--dirty is for a local folder as `source`; a URL has only what is committed")
        yield _Origin(revision, url=settings.source)
        return
    with LocalSource(settings.source_folder, revision, dirty) as local:
        yield _Origin(revision, local=local)


def _deploy_all(
    settings: Settings, hosts: list[Target], origin: _Origin, console: Console
) -> tuple[list[Report], Record]:
    """All hosts are reached, locked and asked before the first is touched; the first that fails ends it."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(Session(target.connection)) for target in hosts]
        for session in sessions:
            session.lock("deploy", settings.lock_timeout, console.note)
        found = [session.ask("before_deploy", app=settings.app) for session in sessions]
        source = origin.resolve(settings, sessions[0])
        record = new_record(source, whoami(), time.time(), (name for host in found for name in host["releases"]))
        reports: list[Report] = []
        for target, session, host in zip(hosts, sessions, found, strict=True):
            code = origin.code(settings, source, record.id, host["objects"])
            resources = recipe(settings, target.roles, record, code, first=not reports)
            what = f"deploy {settings.app} {record.id}"
            reports.append(run(session, resources, settings.project, console, what=what))
            if not reports[-1].ok:
                break
    return reports, record
