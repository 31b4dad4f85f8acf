"""Actions on a host for the controller, which change something besides resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..contract import wire
from ..hostkit.app.layout import Layout
from ..hostkit.programs.git import Repository
from . import lock


def resolve(app: str, url: Any, revision: str, timeout: float) -> dict[str, str]:
    """Fetch a remote repository; return the commit that a revision names, and its subject.

    :param timeout: limit in seconds of the fetch.
    """
    layout = Layout(app).require_provisioned()
    repository = Repository(layout.repository, layout.ssh)
    repository.fetch(wire.load(url), timeout)
    commit = repository.resolve(revision)
    return {"commit": commit, "subject": repository.subject(commit)}


def break_lock(app: str | None = None) -> str | None:
    """Stop the run that holds the host's lock; return its description, None when the lock is free.

    :param app: only a run of this app's deployers; None: any run.
    """
    found = lock.break_lock(app=app)
    return None if found is None else lock.describe(found)


# By the name in the frame. All but the breaking of the lock need the host's lock.
ACTIONS: dict[str, Callable[..., Any]] = {"resolve": resolve, "break_lock": break_lock}
