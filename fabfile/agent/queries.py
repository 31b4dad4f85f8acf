"""Read-only queries of the controller to a host."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

from ..contract import redact, wire
from ..contract.base import ResourceError
from ..hostkit.app import backup_files, maintenance, migrations, passwords, provisioned, variables
from ..hostkit.app.layout import Layout
from ..hostkit.linux import filesystem, system, systemd
from ..hostkit.programs import haproxy
from ..hostkit.programs.git import Repository
from ..hostkit.programs.history import between
from ..hostkit.supervisor import running, supervisord
from ..hostkit.supervisor.supervisor_config import programs
from ..resources.release import singletons
from . import doctor, lock, logs
from .journal import Journal

# Limit in seconds of a check.
_PATIENCE = 30
_RUNNING = ("running", "starting")


def releases(app: str) -> dict[str, Any]:
    """List all releases of an app, oldest first, with the live one and the migrations of each."""
    layout = Layout(app)
    records = layout.records()
    found = {record.id: migrations.written(layout, record.id) for record in records}
    return {
        "live": layout.live(),
        "records": [asdict(record) for record in records],
        "migrations": {release: asdict(what) for release, what in found.items() if what},
    }


def before_deploy(app: str) -> dict[str, Any]:
    """List the ids of the releases on the host, of the live one, and of the commits and trees that it has already."""
    layout = Layout(app).require_provisioned()
    ids = [record.id for record in layout.records()]
    return {"releases": ids, "objects": Repository(layout.repository).objects(), "live": layout.live()}


def status(app: str, health: Any) -> dict[str, Any]:
    """Return the status of a host: live release, processes, health, disk and lock.

    :param health: a HealthCheck as `wire.dump` gives it; None when the host runs no web process.
    """
    layout = Layout(app)
    live = layout.live()
    found: dict[str, Any] = {
        "live": live,
        "record": asdict(layout.record(live)) if live else None,
        "releases": {record.id: record.state for record in layout.records()},
        "processes": [],
        "servers": [],
        "problem": None,
        "maintenance": maintenance.notice(layout),
        "disk": _disk(layout.root),
        "lock": lock_holder(),
        "provisioned_by": provisioned.version(),
    }
    # While a run holds the lock, its unconfirmed changes are normal.
    found["cut_off"] = Journal().describe() if found["lock"] is None else ""
    try:
        found["servers"] = balancer(app)
        found["processes"] = running.of_groups(layout.groups(live)) if live else []
        found["problem"] = _not_serving(found["processes"], found["servers"])
        if live and not found["processes"] and _has_programs(layout, live):
            found["problem"] = "supervisord knows no process of the live release"
        if live and not found["problem"]:
            found["problem"] = singletons.problem(layout, live)
        check = wire.load(health)
        if live and check and not found["problem"]:
            found["problem"] = check.ask_socket(layout.socket(live), app)
    except ResourceError as error:
        found["problem"] = str(error)
    found["problem"] = found["problem"] and redact.text(found["problem"])
    return found


def _has_programs(layout: Layout, release: str) -> bool:
    """Whether a release has processes on this host that `fab scale` has not set to 0."""
    text = filesystem.read(layout.config(release)) or b""
    return programs(text.decode()) > 0


def _not_serving(processes: list[dict[str, Any]], servers: list[dict[str, Any]]) -> str | None:
    """Name the processes that are not running, and the web hosts that are down for the balancer."""
    down = [f"process {each['name']} is {each['state']}" for each in processes if each["state"] not in _RUNNING]
    down += [f"HAProxy: {each['name']} is down ({each['check']})" for each in servers if _is_down(each)]
    return "; ".join(down) or None


def _is_down(server: dict[str, Any]) -> bool:
    return bool(server["status"].startswith("DOWN"))


def _disk(path: str) -> dict[str, int]:
    """Return the used and free bytes of the file system of an app's folder, like `df`."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    used, free = found.f_blocks - found.f_bfree, found.f_bavail
    return {"used": used * found.f_frsize, "free": free * found.f_frsize}


def balancer(app: str) -> list[dict[str, Any]]:
    """List the web hosts for HAProxy on this host, each a `haproxy.ServerState`; none without HAProxy."""
    return [asdict(server) for server in haproxy.servers(app)] if os.path.exists(haproxy.SOCKET) else []


def verify(app: str, release: str, health: Any, port: int | None) -> dict[str, Any]:
    """Check a release that has just gone live, and its singletons.

    :param health: a HealthCheck as `wire.dump` returns it; None when the host runs no web process.
    :param port: port of nginx; None on a host without nginx.
    :returns: "problem", None when it is healthy; "runs", the groups of other releases' singletons that are still
        running; "starts", whether this release has singletons to start.
    """
    layout = Layout(app)
    problem = _not_live(layout, release, health, port)
    return {
        "problem": problem and redact.text(problem),
        "runs": list(singletons.others(layout, release)),
        "starts": os.path.exists(layout.singletons_config(release)),
    }


def _not_live(layout: Layout, release: str, health: Any, port: int | None) -> str | None:
    if layout.live() != release:
        return f"{layout.live()} is live, expected {release}"
    for process in supervisord.processes(layout.group(release)):
        if process["statename"] not in ("RUNNING", "STARTING"):
            return f"process {process['name']} is {process['statename'].lower()}: {process['description']}"
    check = wire.load(health)
    return check.ask_port(port) if check and port else None


def log_lines(app: str, names: list[str], lines: int) -> dict[str, Any]:
    """Return the last lines of logs, see `logs.last`; without secrets."""
    found = logs.last(app, names, lines)
    return {**found, "lines": [(at, name, redact.text(text)) for at, name, text in found["lines"]]}


def lock_holder() -> str | None:
    """Describe the holder of the host's lock; None when it is free."""
    found = lock.holder()
    return None if found is None else lock.describe(found)


def live_release(app: str) -> dict[str, Any] | None:
    """Return the record of the live release; None before the first deploy."""
    layout = Layout(app)
    live = layout.live()
    return asdict(layout.record(live)) if live else None


def history(app: str, url: Any, revision: str, since: list[str], files: list[str]) -> dict[str, Any]:
    """Compare a revision in a remote repository with commits.

    :param since: the commits.
    :param files: files to compare.
    :returns: the revision's commit, and for each of the others the difference; None for an unknown one.
    """
    layout = Layout(app).require_provisioned()
    with Repository(layout.repository, layout.ssh).fetched_aside(wire.load(url)) as repository:
        commit = repository.resolve(revision)
        found = {old: between(repository.git, old, commit, files) for old in since}
        return {"commit": commit, "since": {old: asdict(way) if way else None for old, way in found.items()}}


def app_processes(app: str) -> list[dict[str, Any]]:
    """List all processes of an app, see `running.of_app`."""
    return running.of_app(Layout(app))


def kept_variables(app: str) -> dict[str, Any]:
    """Return the variables of the live release, None before the first deploy; and the generated values.

    Only for the controller's memory: the values are not redacted.
    """
    layout = Layout(app)
    live = layout.live()
    return {
        "live": asdict(layout.record(live)) if live else None,
        "bad": [record.id for record in layout.records() if record.state == "bad"],
        "variables": variables.kept(layout, live).to_json() if live else None,
        "generated": {name: value.reveal() for name, value in variables.generated(layout).items()},
    }


def services(app: str) -> dict[str, str]:
    """Return the password of each service of an app that is set up here; only for the controller's memory."""
    return {name: password.reveal() for name, password in passwords.kept(app).items()}


def backups(app: str, folder: str) -> dict[str, Any]:
    """List the archives of an app in a folder of this host, oldest first, and the problem of the last backup."""
    unit = backup_files.unit(app)
    failed = systemd.properties(unit, "ActiveState").get("ActiveState") == "failed"
    problem = f"the last one failed; `journalctl -u {unit}` shows why" if failed else ""
    return {"archives": backup_files.listed(app, folder), "problem": problem}


def examine(services: list[str], open_ports: list[str], firewall: bool) -> list[dict[str, str]]:
    """Diagnose the host besides the app."""
    return doctor.examine(services, open_ports, firewall)


def check(commands: dict[str, list[str]]) -> dict[str, str]:
    """Run commands; return the error of each that fails, by name."""
    problems = {}
    for name, argv in commands.items():
        try:
            system.run(argv, cwd="/", timeout=_PATIENCE, label=name)
        except ResourceError as error:
            problems[name] = redact.text(str(error))
    return problems


def clock() -> float:
    """Return the time of this host."""
    return time.time()


def running_variables(app: str) -> dict[str, str]:
    """Return the environment of the live release, from its file; only for the controller's memory."""
    return variables.running(Layout(app).current)
