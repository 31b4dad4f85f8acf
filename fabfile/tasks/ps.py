"""`fab ps`: each process of the app on each host."""

from __future__ import annotations

from typing import Any

from .. import views
from ..fab.task import JSON, TaskCall, task

_COLUMNS = ("HOST", "PROCESS", "STATE", "PID", "UPTIME", "MEMORY", "RELEASE")


@task(JSON)
def ps(call: TaskCall) -> dict[str, list[dict[str, Any]]]:
    """List each process of the app on each host: state, age, memory and release."""
    with call.look(call.app_hosts()) as fleet:
        found = fleet.each(lambda member: member.ask("app_processes", app=call.settings.app))
    answers: dict[str, list[dict[str, Any]]] = {member.label: answer for member, answer in found.items()}
    call.document["hosts"] = answers
    rows = [(call.console.name(label), process) for label, each in answers.items() for process in each]
    call.console.table(_COLUMNS, [_row(*row) for row in rows], [_style(process) for _, process in rows])
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
