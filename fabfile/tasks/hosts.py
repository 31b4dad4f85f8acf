"""`fab hosts`: the hosts, and what would run on each."""

from __future__ import annotations

from typing import Any

from .. import recipes
from ..fab.task import JSON, TaskCall, task
from ..inventory.processes import balances, processes
from ..inventory.roles import ALL_ROLES
from ..inventory.targets import Target, primary


@task(JSON)
def hosts(call: TaskCall) -> list[dict[str, Any]]:
    """List hosts, their roles, and what would run where; connects to none."""
    found = call.hosts()
    runs_release = primary(found)
    listing = [_described(target, target is runs_release) for target in found]
    call.document["hosts"] = listing
    call.console.table(("HOST", "ROLES", "RUNS", "VALUES"), [_row(described) for described in listing])
    return listing


def _described(target: Target, runs_release: bool) -> dict[str, Any]:
    settings = target.settings
    return {
        "host": target.label,
        "roles": None if target.roles is ALL_ROLES else [role for role in settings.roles if role in target.roles],
        "processes": list(processes(settings, target.roles)),
        "release": runs_release and "release" in settings.processes,
        "services": _services(target),
        "values": _values(target),
    }


def _services(target: Target) -> list[str]:
    """The services that provision sets up besides the app."""
    services = {"nginx": "web" in target.roles, "haproxy": balances(target.settings, target.roles)}
    return [
        *(service for service, is_there in services.items() if is_there),
        *recipes.services.names_on(target.settings, target.roles),
    ]


def _values(target: Target) -> dict[str, Any]:
    """The settings of this host alone; of `connect_kwargs`, which may hold a password, only the names."""
    entry = target.settings.entry(target.host)
    own = entry.own() if entry else {}
    if "gateway" in own:
        own["gateway"] = own["gateway"].spec
    if "connect_kwargs" in own:
        own["connect_kwargs"] = sorted(own["connect_kwargs"])
    return own


def _row(described: dict[str, Any]) -> tuple[str, str, str, str]:
    roles = str(ALL_ROLES) if described["roles"] is None else ", ".join(described["roles"])
    runs = [*described["processes"], *(["release"] if described["release"] else []), *described["services"]]
    own = [_value(key, value) for key, value in described["values"].items()]
    return described["host"], roles, ", ".join(runs) or "-", ", ".join(own) or "-"


def _value(key: str, value: Any) -> str:
    if value is True:
        return key
    return f"{key} {' '.join(value)}" if isinstance(value, list) else f"{key} {value}"
