"""What the controller can ask of a host; none of it changes what the host serves."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

from ..contract import redact, wire
from ..contract.base import ResourceError
from ..hostkit.app import maintenance, migrations, passwords, provisioned, stored, variables
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

# Seconds that a check may take.
_PATIENCE = 30
_RUNNING = ("running", "starting")


def releases(app: str) -> dict[str, Any]:
    """All releases of an app, oldest first, which is live, and what their commands did to the database."""
    layout = Layout(app)
    records = layout.records()
    found = {record.id: migrations.written(layout, record.id) for record in records}
    return {
        "live": layout.live(),
        "records": [asdict(record) for record in records],
        "migrations": {release: asdict(what) for release, what in found.items() if what},
    }


def before_deploy(app: str) -> dict[str, Any]:
    """Ids of the releases on the host, of the live one, and of the commits and trees that need not be sent to it."""
    layout = _provisioned(app)
    ids = [record.id for record in layout.records()]
    return {"releases": ids, "objects": Repository(layout.repository).objects(), "live": layout.live()}


def resolve(app: str, url: Any, revision: str, timeout: float) -> dict[str, str]:
    """The commit that a revision names in a remote repository, and its subject; fetches it on the way.

    :param timeout: seconds that fetching may take.
    """
    layout = _provisioned(app)
    repository = Repository(layout.repository, layout.ssh)
    repository.fetch(wire.load(url), timeout)
    commit = repository.resolve(revision)
    return {"commit": commit, "subject": repository.subject(commit)}


def status(app: str, health: Any) -> dict[str, Any]:
    """All that there is to see of a host: what is live and runs, whether it is well, the disk, and who is at work.

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
    # While a run holds the host, what it has not confirmed is no news.
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
    """Whether a release has processes on this host, and not none of each by `fab scale`."""
    text = filesystem.read(layout.config(release)) or b""
    return programs(text.decode()) > 0


def _not_serving(processes: list[dict[str, Any]], servers: list[dict[str, Any]]) -> str | None:
    """Which processes do not run, and which web hosts the balancer has given up."""
    down = [f"process {each['name']} is {each['state']}" for each in processes if each["state"] not in _RUNNING]
    down += [f"HAProxy: {each['name']} is down ({each['check']})" for each in servers if _is_down(each)]
    return "; ".join(down) or None


def _is_down(server: dict[str, Any]) -> bool:
    return bool(server["status"].startswith("DOWN"))


def _disk(path: str) -> dict[str, int]:
    """Bytes of the file system that an app's folder is in, or will be, as `df` counts them."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    used, free = found.f_blocks - found.f_bfree, found.f_bavail
    return {"used": used * found.f_frsize, "free": free * found.f_frsize}


def balancer(app: str) -> list[dict[str, Any]]:
    """The web hosts as HAProxy on this host has them, each a `haproxy.Server`; none where no HAProxy is set up."""
    return [asdict(server) for server in haproxy.servers(app)] if os.path.exists(haproxy.SOCKET) else []


def verify(app: str, release: str, health: Any, port: int | None) -> dict[str, Any]:
    """What is wrong with a release that has gone live, and whether there are singletons to be seen to.

    :returns: "problem", None when nothing is wrong; "runs", the groups of other releases' singletons that still run;
        "starts", whether this release has some that are to be started.
    :param health: a HealthCheck as `wire.dump` gives it; None when the host runs no web process.
    :param port: port of nginx; None when there is none on the host.
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
    """The last lines of logs, see `logs.last`; without secrets."""
    found = logs.last(app, names, lines)
    return {**found, "lines": [(at, name, redact.text(text)) for at, name, text in found["lines"]]}


def lock_holder() -> str | None:
    """Who holds the host's lock, in words; None when it is free."""
    found = lock.holder()
    return None if found is None else lock.describe(found)


def break_lock(app: str | None = None) -> str | None:
    """End the run that holds the host's lock, see `lock.break_lock`; returns who it was, None when nobody."""
    found = lock.break_lock(app=app)
    return None if found is None else lock.describe(found)


def live_release(app: str) -> dict[str, Any] | None:
    """The record of the live release; None before the first deploy."""
    layout = Layout(app)
    live = layout.live()
    return asdict(layout.record(live)) if live else None


def history(app: str, url: Any, revision: str, since: list[str], files: list[str]) -> dict[str, Any]:
    """What a revision in a remote repository has come to since others.

    :param since: the commits that are compared with.
    :param files: files that are looked at more closely.
    :returns: the revision's commit, and for each of the others the difference; None for one that is not known.
    """
    layout = _provisioned(app)
    with Repository(layout.repository, layout.ssh).fetched_aside(wire.load(url)) as repository:
        commit = repository.resolve(revision)
        found = {old: between(repository.git, old, commit, files) for old in since}
        return {"commit": commit, "since": {old: asdict(way) if way else None for old, way in found.items()}}


def app_processes(app: str) -> list[dict[str, Any]]:
    """All processes of an app, see `running.of_app`."""
    return running.of_app(Layout(app))


def kept_variables(app: str) -> dict[str, Any]:
    """The variables of the live release, None before the first deploy; and the values that were made up for the app.

    For the controller's memory alone: the values are not hidden.
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
    """The password of each service of an app that is set up here; for the controller's memory alone."""
    return {name: password.reveal() for name, password in passwords.kept(app).items()}


def backups(app: str, folder: str) -> dict[str, Any]:
    """The archives of an app in a folder of this host, oldest first, and what is wrong with its making of them."""
    unit = stored.unit(app)
    failed = systemd.properties(unit, "ActiveState").get("ActiveState") == "failed"
    problem = f"the last one failed; `journalctl -u {unit}` says why" if failed else ""
    return {"archives": stored.listed(app, folder), "problem": problem}


def examine(services: list[str], open_ports: list[str], firewall: bool) -> list[dict[str, str]]:
    """What is well and what is not, besides the app; see `doctor.examine`."""
    return doctor.examine(services, open_ports, firewall)


def check(commands: dict[str, list[str]]) -> dict[str, str]:
    """What is wrong, by name, with that for which there is a command that ends with another status than 0."""
    problems = {}
    for name, argv in commands.items():
        try:
            system.run(argv, cwd="/", timeout=_PATIENCE, label=name)
        except ResourceError as error:
            problems[name] = redact.text(str(error))
    return problems


def clock() -> float:
    """The time here."""
    return time.time()


def running_variables(app: str) -> dict[str, str]:
    """The environment of the live release, as its file has it; for the controller's memory alone."""
    return variables.running(Layout(app).current)


def _provisioned(app: str) -> Layout:
    layout = Layout(app)
    if not os.path.isdir(layout.root):
        raise ResourceError(f"{layout.root} is not there: this host is not provisioned for {app}; run `fab provision`")
    return layout
