"""`task` for a project's own tasks, with what Fabric's own lacks."""

from __future__ import annotations

from typing import Any

import fabric
from fabric import Connection
from invoke.context import Context
from invoke.tasks import task as invoke_task

from ..connection import ssh


class HostTask(fabric.Task):  # type: ignore[misc]
    """A project's own task, called host by host as Fabric does it, with host keys checked from the first command on."""

    def __call__(self, c: Context, *args: Any, **kwargs: Any) -> Any:
        if isinstance(c, Connection) and not c.is_connected:
            ssh.secure(c)
        return super().__call__(c, *args, **kwargs)


def task(*args: Any, **kwargs: Any) -> Any:
    """Like `fabric.task`, for a project's own tasks: host keys are checked, sandbox hosts are known by name."""
    return invoke_task(*args, **{"klass": HostTask, **kwargs})
