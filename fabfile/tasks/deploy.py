"""`fab deploy`: a new release of the app on all hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import environment, recipes
from ..connection import requests
from ..connection.requests import whoami
from ..console import Console
from ..contract import wire
from ..contract.secret import Secret
from ..deployment import service_variables
from ..deployment.deployment import Answers, Deployment, Rollout
from ..deployment.redeploy import require_agreement
from ..deployment.releases import new_record
from ..deployment.source import LocalSource, Source
from ..errors import ReleaseError, UsageError
from ..fab.task import BATCH, JSON, SKIP_UNREACHABLE, TaskCall, task
from ..fleet import Fleet, Member
from ..hostkit.app.layout import Record
from ..inventory import parts
from ..inventory.targets import others_with_app
from ..report import Report

if TYPE_CHECKING:
    from ..contract.base import Resource
    from ..environment.variables import Given, Kept, Wanted
    from ..resources.release.release import ReleaseCode
    from ..settings import Settings


@task(
    BATCH,
    SKIP_UNREACHABLE,
    JSON,
    help={
        "revision": "Branch, tag or commit to deploy; by default, `revision` of the settings.",
        "dirty": "Deploy a local folder as it is, with uncommitted changes.",
        "yes": "Do not ask before values of one host replace those of others.",
    },
)
def deploy(call: TaskCall, revision: str | None = None, *, dirty: bool = False, yes: bool = False) -> list[Report]:
    """Deploy a revision beside the live release, then switch: all hosts or none."""
    settings, hosts = call.settings, call.app_hosts()
    given = environment.variables.given(settings)
    ask = [requests.ask("before_deploy", app=settings.app), environment.variables.kept(settings.app)]
    chosen: list[Record] = []
    with (
        _origin(settings, revision or settings.revision, dirty) as origin,
        call.deployment("deploy", hosts) as deployment,
    ):

        def choose(answers: Answers) -> Rollout:
            found: dict[Member, Any] = {member: answer for member, (answer, _) in answers.items()}
            source = origin.resolve(deployment)
            wanted = _variables(deployment, given, [kept for _, kept in answers.values()], yes)
            _back_up(deployment)
            record = new_record(
                source, whoami(), time.time(), [name for host in found.values() for name in host["releases"]]
            )
            chosen.append(record)

            def prepare(member: Member) -> list[Resource]:
                code = origin.code(settings, source, record.id, found[member]["objects"])
                return recipes.release.prepared(member.settings, member.target.roles, record, code, wanted)

            return Rollout(record.id, {member: host["live"] for member, host in found.items()}, prepare)

        deployment.run(choose, ask)
    (record,) = chosen
    call.document["release"] = record.id
    call.console.say(f"{settings.app}: release {record.id} is live ({record.subject})", style="bold green")
    return deployment.reports


@dataclass(frozen=True)
class _Origin:
    """The origin of the code: a local folder whose state was taken, or a URL that the hosts resolve."""

    revision: str
    url: str | Secret | None = None
    local: LocalSource | None = None

    def resolve(self, deployment: Deployment) -> Source:
        """Find the one state of the code that all hosts get.

        Each host finds the commit, so that none chooses one for the others.

        :raises FleetError: a host cannot find it.
        :raises ReleaseError: the hosts do not agree.
        """
        if self.local is not None:
            return self.local.source
        settings, fleet = deployment.settings, deployment.fleet
        wanted = {"app": settings.app, "url": wire.dump(self.url), "revision": self.revision}
        action = requests.act("resolve", **wanted, timeout=settings.build_timeout)
        found = fleet.each(lambda member: member.request(action))
        fleet.require("nothing has changed")
        if len({answer["commit"] for answer in found.values()}) > 1:
            names = ", ".join(f"{member.label}: {answer['commit'][:7]}" for member, answer in found.items())
            raise ReleaseError(
                f"{self.revision} is another commit for one host than for others, {names}; if somebody has just "
                "pushed, deploy again; if not, inspect the host"
            )
        commit, subject = found[deployment.first]["commit"], found[deployment.first]["subject"]
        return Source(commit, commit, subject)

    def code(self, settings: Settings, source: Source, release_id: str, known: list[str]) -> ReleaseCode:
        """Make the resource of the code for one host: a pack of what it lacks, or the commit for it to fetch.

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


def _variables(deployment: Deployment, given: Given, kept: list[Kept], yes: bool) -> Wanted:
    """Bring together the variables of the new release: the same on all hosts, with those that the fleet has already.

    :param kept: what the hosts of the deployment keep.
    :raises FleetError: a host that must be asked is unreachable.
    :raises ServiceError: a service of the app is not set up.
    """
    given = given.over(service_variables.of_services(deployment.c, deployment.settings, deployment.fleet))
    if environment.variables.lacking(given, kept):
        kept = [*kept, *_kept_by_others(deployment)]
    wanted = environment.variables.wanted(given, kept)
    require_agreement(deployment.console, wanted.remarks, yes)
    return wanted


def _kept_by_others(deployment: Deployment) -> list[Kept]:
    """Ask the hosts of the app that do not take part what they keep."""
    settings = deployment.settings
    others = others_with_app(deployment.c, settings, [member.target.host for member in deployment.fleet.members])
    if not others:
        return []
    with Fleet(others, Console(quiet=True), settings.concurrency, "config") as fleet:
        found = fleet.each(lambda member: member.request(environment.variables.kept(settings.app)))
        if not deployment.left_out:
            fleet.require("it is unreachable, and its values of `config.set` are needed; nothing has changed")
    return list(found.values())


def _back_up(deployment: Deployment) -> None:
    """Back up on the hosts what a release command may change, if the settings ask for it.

    :raises FleetError: a backup failed.
    """
    settings, fleet = deployment.settings, deployment.fleet
    if not settings.backup.before_migrate or "release" not in settings.processes:
        return
    wanted: Sequence[Resource] = [recipes.backup.backed_up(settings)]
    fleet.each(lambda member: member.converge("backup", wanted))
    fleet.require("the backup failed, and nothing has changed")
    hosts = [member.target for member in fleet.members]
    others = parts.beside(deployment.c, settings, hosts, parts.parts(settings))
    with Fleet(others, Console(quiet=True), settings.concurrency, None) as beside:
        beside.connect()
        beside.lock("backup", settings.lock_timeout)
        beside.each(lambda member: member.converge("backup", wanted))
        for member in beside.members:
            for note in member.report.notes:
                deployment.console.say(f"{member.label}: {note}")
            if not member.report.ok:
                deployment.first.report.error = f"{member.label}: {member.report.problem()}"
    fleet.require("the backup failed, and nothing has changed")
