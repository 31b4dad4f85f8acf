"""`fab unlock`: end the runs that hold the hosts' locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console import Console
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..inventory.project import load
from ..inventory.targets import Limits, targets

if TYPE_CHECKING:
    from invoke.context import Context


@task()
def unlock(c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None) -> None:
    """End the run that holds a host's lock."""
    settings = load(c)
    console = Console()
    with Fleet(targets(c, settings, Limits(role, host, exclude)), console, settings.concurrency, None) as fleet:
        holders = fleet.each(lambda member: member.session.ask("break_lock"))
    for member, ended in holders.items():
        console.say(f"{console.name(member.label)}: " + (f"ended {ended}" if ended else "nobody holds the lock"))
    fleet.check()
