"""Changes that the next deploy and provision would make on each host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import recipes
from ..console import diff_style
from ..environment import variables
from ..errors import ConvergeError
from ..report import Result
from .commits import Pending
from .listing import Line

if TYPE_CHECKING:
    from ..contract.base import Resource
    from ..environment.variables import Given
    from ..fleet import Member

_WORDS = {"changed": ("change", "green"), "ran": ("run", "cyan")}


@dataclass(frozen=True)
class Names:
    """Names of environment variables; the values are secrets."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join(
            f"{mark} {name}" for mark, names in zip("+-~", vars(self).values(), strict=True) for name in names
        )


@dataclass(frozen=True)
class HostPlan:
    """Changes to come on a host; equal for hosts with the same changes.

    :param pending: the commits; None on hosts without the app.
    :param configuration: differences in the files of the release.
    :param environment: differences in the environment of its processes.
    :param starts: processes that a deploy would start beside those that run.
    :param provision: changes of `fab provision`, and the handlers that it would run.
    """

    pending: Pending | None
    configuration: tuple[Result, ...]
    environment: Names
    starts: tuple[str, ...]
    provision: tuple[Result, ...]

    @property
    def deploys(self) -> bool:
        """Whether a deploy would change anything but the id of the release."""
        return bool((self.pending and self.pending.is_something) or self.configuration or str(self.environment))

    @property
    def is_something(self) -> bool:
        """Whether anything would change."""
        return self.deploys or bool(self.provision)

    @property
    def title(self) -> str:
        """The live release, in a few words."""
        return self.pending.title if self.pending else "without the app"

    def lines(self) -> Iterator[Line]:
        """Describe the changes, with the style of each line."""
        if not self.is_something:
            yield "nothing to do", None
        if self.deploys:
            yield "deploy", "bold"
            yield from _indented(self._deploy())
        if self.provision:
            yield "provision", "bold"
            yield from _indented(_described(self.provision))

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "changes": self.is_something,
            **asdict(self),
            "configuration": [_plain(result) for result in self.configuration],
            "provision": [_plain(result) for result in self.provision],
            "pending": self.pending.to_json() if self.pending else None,
        }

    def _deploy(self) -> Iterator[Line]:
        if self.pending:
            yield from self.pending.lines()
            for name in self.pending.requirements:
                yield f"{name} differs: a virtualenv is built unless there is one for it", "yellow"
        yield from _described(self.configuration)
        if names := str(self.environment):
            yield f"environment: {names}", "yellow"
        yield f"start    {', '.join(self.starts)}", "cyan"


def plan_of(member: Member, pending: Pending | None, given: Given) -> HostPlan:
    """Ask a host what would change on it.

    :param pending: the commits; None on hosts without the app.
    :param given: the variables of the settings.
    :raises ConvergeError: the host cannot answer.
    """
    settings, roles = member.settings, member.target.roles
    provision = _would(member, recipes.provision(settings, roles))
    starts = tuple(member.target.processes)
    if pending is None or pending.release is None:
        return HostPlan(pending, (), Names(), starts, provision)
    # The files name their release, so they are planned as those of the live one.
    kept = member.request(variables.kept(settings.app))
    scaled = settings.scaled(kept.variables.scale)
    configuration = _would(member, [recipes.release.configuration(scaled, roles, pending.release)])
    # Compare with the actual environment: it may have been edited by hand.
    running = member.ask("running_variables", app=settings.app)
    wanted = variables.wanted(given, [kept]).variables.all()
    names = _names(running, {name: variable.text for name, variable in wanted.items()})
    return HostPlan(pending, configuration, names, starts, provision)


def _names(before: Mapping[str, str], after: Mapping[str, str]) -> Names:
    return Names(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
        tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
    )


def _would(member: Member, resources: Sequence[Resource]) -> tuple[Result, ...]:
    report = member.would(resources)
    if not report.ok:
        raise ConvergeError(report.problem())
    # The time that a check took does not make hosts differ.
    return tuple(replace(result, seconds=0.0) for result in report.results if result.state != "ok")


def _described(results: Sequence[Result]) -> Iterator[Line]:
    for result in results:
        word, style = _WORDS[result.state]
        yield f"{word:<8} {result.resource}{f': {result.summary}' if result.summary else ''}", style
        yield from _indented((row, diff_style(row)) for row in result.diff.splitlines())


def _indented(lines: Iterable[Line]) -> Iterator[Line]:
    for text, style in lines:
        yield f"  {text}", style


def _plain(result: Result) -> dict[str, str]:
    return {"resource": result.resource, "state": result.state, "summary": result.summary, "diff": result.diff}
