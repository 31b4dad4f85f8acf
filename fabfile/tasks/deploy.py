"""`fab deploy`: a new release of the app, live when it has proven healthy on all hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import environment, recipes
from ..connection import requests
from ..connection.requests import whoami
from ..console import Console
from ..contract import wire
from ..contract.secret import Secret
from ..deployment.deployment import Underway, back_up, release_variables, underway
from ..deployment.releases import new_record
from ..deployment.source import LocalSource, Source
from ..errors import ReleaseError, UsageError
from ..fab.task import task
from ..fleet.fleet import Member
from ..fleet.summary import told
from ..hostkit.app.layout import Record
from ..inventory.project import load
from ..inventory.targets import Limits, targets, with_app
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..contract.base import Resource
    from ..environment.variables import Given
    from ..resources.release.release import ReleaseCode
    from ..settings import Settings


@task(
    help={
        "revision": "Branch, tag or commit to deploy; without it, `revision` of the settings.",
        "dirty": "Deploy a local folder as it is, with what is not committed.",
        "batch": "Hosts that switch at the same time: a number or a percentage; without it, `batch` of the settings.",
        "skip-unreachable": "Go on without hosts that are away; they lag behind until the next deploy.",
        "yes": "Do not ask before values of one host replace those of others.",
        "json": "Print one JSON document instead of lines.",
    }
)
def deploy(
    c: Context,
    revision: str | None = None,
    dirty: bool = False,
    batch: str | None = None,
    skip_unreachable: bool = False,
    yes: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Release a revision beside the old one, then switch: all hosts or none."""
    settings = load(c).in_batches(batch)
    console = Console(quiet=json)
    hosts = with_app(targets(c, settings, Limits(role, host, exclude)))
    ask = (requests.ask("before_deploy", app=settings.app), environment.variables.kept(settings.app))
    given = environment.variables.given(settings)
    with (
        told(console, "deploy", release=None) as outcome,
        _origin(settings, revision or settings.revision, dirty) as origin,
        underway(c, settings, hosts, console, outcome, skip_unreachable=skip_unreachable, ask=ask) as run,
    ):
        record = _deploy(c, run, origin, given, yes)
        outcome.more["release"] = record.id
    console.say(f"{settings.app}: release {record.id} is live ({record.subject})", style="bold green")
    for report in run.left_out:
        console.say(f"{report.host} was not reached and lags behind; the next deploy catches it up", style="yellow")
    return outcome.reports


@dataclass(frozen=True)
class _Origin:
    """Where the code comes from: a local folder whose state was taken, or a URL that a host resolves."""

    revision: str
    url: str | Secret | None = None
    local: LocalSource | None = None

    def resolve(self, run: Underway) -> Source:
        """The one state of the code that all hosts get.

        Each of them says which commit that is, so that none chooses one for the others.

        :raises FleetError: a host cannot tell.
        :raises ReleaseError: hosts do not agree.
        """
        if self.local is not None:
            return self.local.source
        asked: dict[str, Any] = {"app": run.settings.app, "url": wire.dump(self.url), "revision": self.revision}
        limit = run.settings.build_timeout
        found = run.fleet.each(lambda member: member.session.ask("resolve", **asked, timeout=limit))
        run.fleet.require("nothing has changed")
        if len({answer["commit"] for answer in found.values()}) > 1:
            names = ", ".join(f"{member.label}: {answer['commit'][:7]}" for member, answer in found.items())
            raise ReleaseError(
                f"found that {self.revision} is another commit for one host than for others, {names}; if somebody has "
                "just pushed, deploy again, or else look into the host"
            )
        commit, subject = found[run.first]["commit"], found[run.first]["subject"]
        return Source(commit, commit, subject)

    def code(self, settings: Settings, source: Source, release_id: str, known: list[str]) -> ReleaseCode:
        """The code for one host: a pack of what it lacks, or the commit for it to fetch.

        :param known: ids of the commits and trees that the host has.
        """
        from ..resources.release.release import ReleaseCode

        pack = self.local.pack(known) if self.local is not None else b""
        return ReleaseCode(settings.app, release_id, source.name, self.url, pack, settings.build_timeout)


@contextmanager
def _origin(settings: Settings, revision: str, dirty: bool) -> Iterator[_Origin]:
    if not settings.source_is_local:
        if dirty:
            raise UsageError("--dirty is for a local folder as `source`; a URL has only what is committed")
        yield _Origin(revision, url=settings.source_url)
        return
    from ..detect.workspace import require_whole

    require_whole(settings.source_folder, settings.requirements)
    with LocalSource(settings.source_folder, revision, dirty) as local:
        yield _Origin(revision, local=local)


def _deploy(c: Context, run: Underway, origin: _Origin, given: Given, yes: bool) -> Record:
    """From hosts that are locked to a release that is live on all of them.

    :param yes: do not ask.
    :raises FleetError: it failed on a host, and all have what they had.
    """
    settings = run.settings
    found: dict[Member, Any] = {member: answer for member, (answer, _) in run.answers.items()}
    source = origin.resolve(run)
    wanted = release_variables(c, run, given, [kept for _, kept in run.answers.values()], yes)
    back_up(c, run)
    record = new_record(source, whoami(), time.time(), (name for host in found.values() for name in host["releases"]))

    def prepare(member: Member) -> list[Resource]:
        code = origin.code(settings, source, record.id, found[member]["objects"])
        return recipes.release.prepared(member.settings, member.target.roles, record, code, wanted)

    run.put_out(record.id, prepare, {member: host["live"] for member, host in found.items()})
    return record
