"""`fab unlock`: end a run that holds a host's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console import Console
from ..session import Session
from ..settings import load
from .base import targets, task

if TYPE_CHECKING:
    from invoke.context import Context


@task()
def unlock(c: Context) -> None:
    """End the run that holds a host's lock."""
    settings = load(c)
    console = Console()
    for target in targets(c, settings):
        with Session(target.connection) as session:
            ended = session.ask("break_lock")
        console.say(f"{session.host}: " + (f"ended {ended}" if ended else "nobody holds the lock"))
