"""`fab config.*`: the variables of the app that are set on the hosts; a change is a release of the same code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from .. import environment, views
from ..console import Console, print_json
from ..contract.secret import Secret
from ..deployment.redeploy import Live, SameCode
from ..errors import UsageError
from ..fab import words
from ..fab.task import task
from ..fleet.fleet import Fleet, Member
from ..inventory.project import load
from ..inventory.targets import Limits, targets, with_app
from ..printable import printable
from ..report import Report

if TYPE_CHECKING:
    from invoke.context import Context

    from ..environment.variables import Kept
    from ..settings import Settings

Chosen = Mapping[str, Secret]

_HELP = {
    "batch": "Hosts that switch at the same time: a number or a percentage; without it, `batch` of the settings.",
    "skip-unreachable": "Go on without hosts that are away; they lag behind until the next deploy.",
    "yes": "Do not ask before values of one host replace those of others.",
    "json": "Print one JSON document instead of lines.",
}


@task(
    name="set",
    help={
        "words": "Written without the flag: KEY=value; KEY=- reads standard input, KEY=@file a file, KEY alone asks.",
        **_HELP,
    },
)
def config_set(
    c: Context,
    words: str = "",
    batch: str | None = None,
    skip_unreachable: bool = False,
    yes: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Set variables of the app: a release of the same code, live when it is healthy on all hosts."""
    settings = load(c).in_batches(batch)
    values = environment.assignments.assigned(_words(words))
    change = _Change(c, settings, Limits(role, host, exclude), skip_unreachable, yes, json)
    return change.run("config.set", lambda chosen: {**chosen, **values})


@task(name="unset", help={"words": "Names, written without the flag.", **_HELP})
def config_unset(
    c: Context,
    words: str = "",
    batch: str | None = None,
    skip_unreachable: bool = False,
    yes: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Take back variables that were set; those of the settings hold again."""
    settings = load(c).in_batches(batch)
    names = environment.assignments.names(_words(words))

    def without(chosen: Chosen) -> Chosen:
        if unknown := [name for name in names if name not in chosen]:
            raise UsageError(
                f"found {', '.join(unknown)}, expected variables that `config.set` has set: "
                f"{', '.join(chosen) or 'there are none'}; `fab config.get` says where each is from"
            )
        return {name: value for name, value in chosen.items() if name not in names}

    return _Change(c, settings, Limits(role, host, exclude), skip_unreachable, yes, json).run("config.unset", without)


@task(name="edit", help=_HELP)
def config_edit(
    c: Context,
    batch: str | None = None,
    skip_unreachable: bool = False,
    yes: bool = False,
    json: bool = False,
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
) -> list[Report]:
    """Change the variables that were set in $EDITOR; saving them is a release of the same code."""
    settings = load(c).in_batches(batch)
    limits = Limits(role, host, exclude)
    found = _asked(c, settings, limits, Console(quiet=json))
    before = environment.variables.last_set(list(found.values())).chosen
    after = environment.editor.edited(
        before, f"{settings.app}: the variables that are set on the hosts, without those of the settings"
    )
    gone = before.keys() - after.keys()
    new = {name: value for name, value in after.items() if before.get(name) != value}

    def changed(chosen: Chosen) -> Chosen:
        # Only what was changed in the editor: somebody else may have set another one meanwhile.
        return {name: value for name, value in {**chosen, **new}.items() if name not in gone}

    return _Change(c, settings, limits, skip_unreachable, yes, json).run("config.edit", changed)


@task(
    name="get",
    help={
        "words": "Written without the flag: the name whose value is printed. Without it: all names, and where each "
        "is from.",
        "json": "Print one JSON document instead of a table.",
    },
)
def config_get(
    c: Context,
    words: str = "",
    role: str | None = None,
    host: str | None = None,
    exclude: str | None = None,
    json: bool = False,
) -> dict[str, dict[str, Any]]:
    """List the variables of the live release, and where each is from; or print the value of one."""
    settings = load(c)
    name = environment.assignments.names(_words(words)) if words else []
    if len(name) > 1:
        raise UsageError(f"found {', '.join(name)}, expected one name or none")
    console = Console(quiet=json)
    found = _asked(c, settings, Limits(role, host, exclude), console)
    if name:
        return _tell(found, name[0], json)
    answers = {
        member.label: {name: {"from": each.origin} for name, each in kept.variables.all().items()}
        for member, kept in found.items()
    }
    if json:
        print_json(answers)
    else:
        _list(console, found)
    return answers


def _words(given: str) -> list[str]:
    return words.split(given)


def _asked(c: Context, settings: Settings, limits: Limits, console: Console) -> dict[Member, Kept]:
    """What the hosts keep, without a change.

    :raises HostsmithError: a host cannot be asked.
    """
    hosts = with_app(targets(c, settings, limits))
    with Fleet(hosts, console, settings.concurrency, None) as fleet:
        found = fleet.each(lambda member: environment.variables.ask(member.session, settings.app))
    fleet.check()
    return found


def _list(console: Console, found: Mapping[Member, Kept]) -> None:
    for names, kept in views.listing.alike(console, {member: kept.variables for member, kept in found.items()}):
        if len(found) > 1:
            console.say(", ".join(names), style="bold")
        console.table(("NAME", "FROM"), [(name, each.origin) for name, each in sorted(kept.all().items())])


def _tell(found: Mapping[Member, Kept], name: str, json: bool) -> dict[str, dict[str, Any]]:
    """Print one value, which is the same on all hosts."""
    all_of = {member.label: kept.variables.all() for member, kept in found.items()}
    values = {label: each[name] for label, each in all_of.items() if name in each}
    if not values:
        raise UsageError(f"found no variable {name} in the live release; `fab config.get` lists those that there are")
    answers = {label: {name: {"value": each.text, "from": each.origin}} for label, each in values.items()}
    if json:
        print_json(answers)
    elif len({each.text for each in values.values()}) > 1 or len(values) < len(found):
        raise UsageError(f"{name}: found that it differs between the hosts; choose one with --host, or take --json")
    else:
        text = next(iter(values.values())).text
        sys.stdout.write(f"{printable(text) if sys.stdout.isatty() else text}\n")
    return answers


class _Change:
    """A change of the variables that are set: a new release of the code that is live, on all hosts or on none."""

    def __init__(
        self, c: Context, settings: Settings, limits: Limits, skip_unreachable: bool, yes: bool, json: bool
    ) -> None:
        self._task = SameCode(c, settings, limits, skip_unreachable=skip_unreachable, json=json, yes=yes)

    def run(self, what: str, change: Callable[[Chosen], Chosen]) -> list[Report]:
        """Make it.

        :param what: the task, for people and for the release.
        :param change: from the variables that were set to those that shall be.
        :raises FleetError: it failed on a host, and all have what they had.
        """

        def work(live: Live) -> str | None:
            before = live.variables
            after = replace(before, chosen=change(before.chosen))
            if live.has(after):
                return None
            names = environment.variables.differing(before.chosen, after.chosen) or ["the hosts agree again"]
            return live.again(f"{what} {', '.join(names)}", after)

        return self._task.run(what, work)


ns = Collection("config", config_set, config_get, config_unset, config_edit)
