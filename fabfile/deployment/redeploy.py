"""New releases of the live code, with other variables or another scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import environment, recipes
from ..connection import requests
from ..connection.requests import whoami
from ..console import Console
from ..errors import ReleaseError
from ..fleet import Member
from ..hostkit.app.layout import Record
from .deployment import Answers, Deployment, Rollout
from .releases import new_record
from .source import Source

if TYPE_CHECKING:
    from ..contract.base import Resource
    from ..environment.variables import Kept
    from ..hostkit.app.variables import Variables


@dataclass(frozen=True)
class Current:
    """The release that is live on all hosts of a deployment.

    :param kept: what each host keeps.
    :param ids: of all releases on any of the hosts.
    """

    record: Record
    kept: Mapping[Member, Kept]
    ids: Sequence[str]

    @classmethod
    def of(cls, answers: Answers) -> Current:
        """Read the answers of the hosts to the questions of `redeploy`.

        :raises ReleaseError: they have different releases, or none.
        """
        kept: dict[Member, Kept] = {member: answer for member, (_, answer) in answers.items()}
        ids = [record["id"] for listing, _ in answers.values() for record in listing["records"]]
        return cls(_same_record(list(kept.values())), kept, ids)

    @property
    def variables(self) -> Variables:
        """The variables that people have set, from the host on which one was set last."""
        return environment.variables.last_set(list(self.kept.values()))

    def has(self, wanted: Variables) -> bool:
        """Whether these are the variables and the scale of all hosts already."""
        return all(
            (host.variables.chosen, host.variables.scale) == (wanted.chosen, wanted.scale)
            for host in self.kept.values()
        )

    def again(self, subject: str, wanted: Variables) -> Rollout:
        """Make a new release of the same code.

        :param subject: shown in `fab releases`.
        :param wanted: the variables that are set on the hosts; those of the settings stay as each host has them.
        """
        record = new_record(Source("", self.record.revision, subject), whoami(), time.time(), self.ids)

        def prepare(member: Member) -> Sequence[Resource]:
            new = replace(wanted, given=self.kept[member].variables.given, since=record.id)
            return recipes.release.reconfigured(
                member.settings, member.target.roles, record, self.record.id, environment.variables.Wanted(new, {})
            )

        return Rollout(record.id, dict.fromkeys(self.kept, self.record.id), prepare)


def redeploy(deployment: Deployment, choose: Callable[[Current], Rollout | None], yes: bool) -> Rollout | None:
    """Take all hosts to a new release of the code that is live on them, or none.

    :param choose: the release; None when there is nothing to change.
    :param yes: do not ask before values of one host replace those of others.
    :raises ReleaseError: hosts have different releases, or none.
    :raises FleetError: as `Deployment.run`.
    """
    app = deployment.settings.app

    def chosen(answers: Answers) -> Rollout | None:
        current = Current.of(answers)
        require_agreement(deployment.console, environment.variables.replaced(list(current.kept.values())), yes)
        return choose(current)

    return deployment.run(chosen, [requests.ask("releases", app=app), environment.variables.kept(app)])


def require_agreement(console: Console, replaced: Sequence[str], yes: bool) -> None:
    """Show which values of hosts another host's values would replace, and go on only if the user agrees.

    A host that was taken over could otherwise have others run any code by a variable.

    :param replaced: what is replaced on each host, by name.
    :param yes: do not ask.
    :raises UsageError: there is no terminal to ask on.
    :raises ReleaseError: the user does not agree.
    """
    if yes:
        for line in replaced:
            console.say(line, style="yellow")
    elif replaced and not console.agrees("\n".join([*replaced, "Give them these values?"])):
        raise ReleaseError("cancelled; nothing has changed")


def _same_record(kept: Sequence[Kept]) -> Record:
    releases = {host.label: host.live for host in kept}
    if without := [label for label, live in releases.items() if live is None]:
        raise ReleaseError(f"no release is live on {', '.join(without)}; `fab deploy` first")
    found = {live.id: live for live in releases.values() if live}
    if len(found) > 1:
        names = ", ".join(f"{label}: {live.id}" for label, live in releases.items() if live)
        raise ReleaseError(f"the hosts have different releases, {names}; `fab deploy` gives them the same")
    return next(iter(found.values()))
