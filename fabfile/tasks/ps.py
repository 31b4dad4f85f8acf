"""`fab ps`: each process of the app on each host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import views
from ..console import Console, print_json
from ..fab.task import task
from ..fleet.fleet import Fleet
from ..inventory.project import load
from ..inventory.targets import Limits, targets, with_app

if TYPE_CHECKING:
    from invoke.context import Context

_COLUMNS = ("HOST", "PROCESS", "STATE", "PID", "UPTIME", "MEMORY", "RELEASE")


@task(help={"json": "Print one JSON document instead of a table."})
def ps(
    c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None, json: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """List each process of the app on each host: state, age, memory and release."""
    settings = load(c)
    console = Console(quiet=json)
    with Fleet(
        with_app(targets(c, settings, Limits(role, host, exclude))), console, settings.concurrency, None
    ) as fleet:
        found = fleet.each(lambda member: member.session.ask("app_processes", app=settings.app))
    answers: dict[str, list[dict[str, Any]]] = {member.label: answer for member, answer in found.items()}
    if json:
        print_json(answers)
    else:
        rows = [(console.name(label), process) for label, each in answers.items() for process in each]
        console.table(_COLUMNS, [_row(*row) for row in rows], [_style(process) for _, process in rows])
    fleet.check()
    return answers


def _row(host: str, process: dict[str, Any]) -> tuple[str, ...]:
    runs = bool(process["pid"])
    release = process["release"] if process["live"] else f"{process['release']} (finishing)"
    age, memory = (
        (views.overview.ago(process["uptime"]), views.overview.size(process["memory"])) if runs else ("-", "-")
    )
    return host, process["name"], process["state"], str(process["pid"] or "-"), age, memory, release


def _style(process: dict[str, Any]) -> str | None:
    if process["state"] not in ("running", "starting", "stopping"):
        return "red"
    return None if process["live"] else "dim"
