"""What the controller can ask of a host; none of it changes what the host serves."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

from ..resources.base import ResourceError
from . import lock, supervisord, wire
from .git import Repository
from .layout import Layout


def releases(app: str) -> dict[str, Any]:
    """All releases of an app, oldest first, and which is live."""
    layout = Layout(app)
    return {"live": layout.live(), "records": [asdict(record) for record in layout.records()]}


def before_deploy(app: str) -> dict[str, list[str]]:
    """Ids of the releases on the host, and of the commits and trees that it has from them and need not be sent."""
    layout = _provisioned(app)
    ids = [record.id for record in layout.records()]
    return {"releases": ids, "objects": Repository(layout.repository).objects()}


def resolve(app: str, url: str, revision: str) -> dict[str, str]:
    """The commit that a revision names in a remote repository, and its subject; fetches it on the way."""
    layout = _provisioned(app)
    repository = Repository(layout.repository, layout.ssh)
    repository.fetch(url)
    commit = repository.resolve(revision)
    return {"commit": commit, "subject": repository.subject(commit)}


def status(app: str, health: Any) -> dict[str, Any]:
    """What runs: the live release, its processes, and whether it answers its health page.

    :param health: a HealthCheck as `wire.dump` gives it; None when the host runs no web process.
    """
    layout = Layout(app)
    live = layout.live()
    if live is None:
        return {"live": None, "record": None, "processes": [], "problem": None}
    check = wire.load(health)
    return {
        "live": live,
        "record": asdict(layout.record(live)),
        "processes": [
            {
                "name": process["name"],
                "state": process["statename"].lower(),
                "pid": process["pid"],
                "uptime": max(0, int(time.time()) - process["start"]) if process["pid"] else 0,
            }
            for process in supervisord.processes(layout.group(live))
        ],
        "problem": check.ask_socket(layout.socket(live)) if check else None,
    }


def lock_holder() -> str | None:
    """Who holds the host's lock, in words; None when it is free."""
    found = lock.holder()
    return None if found is None else lock.describe(found)


def break_lock() -> str | None:
    """End the run that holds the host's lock; returns who it was, None when nobody."""
    found = lock.break_lock()
    return None if found is None else lock.describe(found)


def _provisioned(app: str) -> Layout:
    layout = Layout(app)
    if not os.path.isdir(layout.root):
        raise ResourceError(f"{layout.root} is not there: this host is not provisioned for {app}; run `fab provision`")
    return layout
