"""`fab config.*`: variables of the app that are set on the hosts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from .. import environment, views
from ..console import Console
from ..contract.secret import Secret
from ..deployment.deployment import Rollout
from ..deployment.redeploy import Current
from ..errors import UsageError
from ..fab.task import BATCH, JSON, SKIP_UNREACHABLE, TaskCall, task
from ..fleet import Member
from ..printable import printable
from ..report import Report

if TYPE_CHECKING:
    from ..environment.variables import Kept

Chosen = Mapping[str, Secret]

_YES = {"yes": "Do not ask before values of one host replace those of others."}


@task(
    BATCH,
    SKIP_UNREACHABLE,
    JSON,
    name="set",
    arguments="KEY=VALUE ...",
    help={"words": "KEY=- reads standard input, KEY=@FILE a file, KEY alone asks.", **_YES},
)
def config_set(call: TaskCall, words: Sequence[str] = (), *, yes: bool = False) -> list[Report]:
    """Set variables of the app: a release of the same code, live when it is healthy on all hosts."""
    values = environment.assignments.assigned(list(words))
    return _change(call, "config.set", lambda chosen: {**chosen, **values}, yes)


@task(BATCH, SKIP_UNREACHABLE, JSON, name="unset", arguments="KEY ...", help={"words": "Names.", **_YES})
def config_unset(call: TaskCall, words: Sequence[str] = (), *, yes: bool = False) -> list[Report]:
    """Remove variables that were set; those of the settings take effect again."""
    names = environment.assignments.names(list(words))

    def without(chosen: Chosen) -> Chosen:
        if unknown := [name for name in names if name not in chosen]:
            raise UsageError(
                f"found {', '.join(unknown)}, expected variables that `config.set` has set: "
                f"{', '.join(chosen) or 'there are none'}; `fab config.get` shows the origin of each"
            )
        return {name: value for name, value in chosen.items() if name not in names}

    return _change(call, "config.unset", without, yes)


@task(BATCH, SKIP_UNREACHABLE, JSON, name="edit", help=_YES)
def config_edit(call: TaskCall, *, yes: bool = False) -> list[Report]:
    """Edit the variables that were set in $EDITOR; saving them makes a release of the same code."""
    found = _kept(call)
    before = environment.variables.last_set(list(found.values())).chosen
    after = environment.editor.edited(
        before, f"{call.settings.app}: the variables that are set on the hosts, without those of the settings"
    )
    gone = before.keys() - after.keys()
    new = {name: value for name, value in after.items() if before.get(name) != value}

    def changed(chosen: Chosen) -> Chosen:
        # Only what was changed in the editor: somebody else may have set another one meanwhile.
        return {name: value for name, value in {**chosen, **new}.items() if name not in gone}

    return _change(call, "config.edit", changed, yes)


@task(
    JSON,
    name="get",
    arguments="[KEY]",
    help={"words": "Print the value of this variable; by default, list all names with the origin of each."},
)
def config_get(call: TaskCall, words: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """List the variables of the live release with their origin, or print the value of one."""
    names = environment.assignments.names(list(words)) if words else []
    if len(names) > 1:
        raise UsageError(f"found {', '.join(names)}, expected one name or none")
    found = _kept(call)
    if names:
        return _show_value(call, found, names[0])
    answers = {
        member.label: {name: {"from": each.origin} for name, each in kept.variables.all().items()}
        for member, kept in found.items()
    }
    call.document["hosts"] = answers
    _list(call.console, found)
    return answers


def _kept(call: TaskCall) -> dict[Member, Kept]:
    """Ask the hosts what they keep.

    :raises FleetError: a host cannot be asked.
    """
    with call.look(call.app_hosts()) as fleet:
        found = fleet.each(lambda member: member.request(environment.variables.kept(call.settings.app)))
    fleet.check()
    return found


def _list(console: Console, found: Mapping[Member, Kept]) -> None:
    for names, kept in views.listing.alike(console, {member: kept.variables for member, kept in found.items()}):
        if len(found) > 1:
            console.say(", ".join(names), style="bold")
        console.table(("NAME", "FROM"), [(name, each.origin) for name, each in sorted(kept.all().items())])


def _show_value(call: TaskCall, found: Mapping[Member, Kept], name: str) -> dict[str, dict[str, Any]]:
    """Print one value, which is the same on all hosts."""
    all_of = {member.label: kept.variables.all() for member, kept in found.items()}
    values = {label: each[name] for label, each in all_of.items() if name in each}
    if not values:
        raise UsageError(f"there is no variable {name} in the live release; `fab config.get` lists those there are")
    answers = {label: {name: {"value": each.text, "from": each.origin}} for label, each in values.items()}
    call.document["hosts"] = answers
    if call.json:
        return answers
    if len({each.text for each in values.values()}) > 1 or len(values) < len(found):
        raise UsageError(f"{name} differs between the hosts; choose one with --host, or use --json")
    text = next(iter(values.values())).text
    sys.stdout.write(f"{printable(text) if sys.stdout.isatty() else text}\n")
    return answers


def _change(call: TaskCall, what: str, change: Callable[[Chosen], Chosen], yes: bool) -> list[Report]:
    """Change the variables that are set: a new release of the live code, on all hosts or on none.

    :param what: the task, for people and for the release.
    :param change: makes the new variables from those that are set.
    """

    def choose(current: Current) -> Rollout | None:
        before = current.variables
        after = replace(before, chosen=change(before.chosen))
        if current.has(after):
            return None
        names = environment.variables.differing(before.chosen, after.chosen) or ["the hosts agree again"]
        return current.again(f"{what} {', '.join(names)}", after)

    return call.redeploy(what, choose, yes)


ns = Collection("config", config_set, config_get, config_unset, config_edit)
