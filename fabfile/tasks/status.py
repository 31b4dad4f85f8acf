"""`fab status`: what is live, what runs, and whether it is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent import wire
from ..console import Console, print_json
from ..recipes.release import health_check
from ..recipes.roles import processes
from ..session import Session
from ..settings import load
from .base import targets, task

if TYPE_CHECKING:
    from invoke.context import Context


@task(help={"json": "Print one JSON document instead of a table."})
def status(c: Context, json: bool = False) -> dict[str, Any]:
    """Show the live release, its processes and its health."""
    settings = load(c)
    console = Console(quiet=json)
    found: dict[str, Any] = {}
    for target in targets(c, settings):
        web = "web" in processes(settings, target.roles)
        health = wire.dump(health_check(settings)) if web else None
        with Session(target.connection) as session:
            answer = session.ask("status", app=settings.app, health=health)
            answer["lock"] = session.ask("lock_holder")
        found[session.host] = answer
    rows = [(host, *_cells(answer)) for host, answer in found.items()]
    styles = [None if answer["live"] and not answer["problem"] else "red" for answer in found.values()]
    console.table(("HOST", "RELEASE", "HEALTH", "PROCESSES", "DEPLOYED"), rows, styles)
    for host, answer in found.items():
        if answer["lock"]:
            console.say(f"{host} is held by {answer['lock']}", style="yellow")
    if json:
        print_json(found)
    return found


def _cells(answer: dict[str, Any]) -> tuple[str, str, str, str]:
    if answer["live"] is None:
        return "none", "-", "-", "-"
    record = answer["record"]
    running = ", ".join(f"{p['name']} {p['state']} {_ago(p['uptime'])}".rstrip() for p in answer["processes"])
    return (
        answer["live"],
        answer["problem"] or "healthy",
        running or "none",
        f"{record['created']} {record['who']}",
    )


def _ago(seconds: int) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s" if seconds else ""
