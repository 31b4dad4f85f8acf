"""What the tasks share: running once for all hosts, and finding the hosts."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import fabric
from fabric import Connection
from invoke.context import Context
from invoke.tasks import task as invoke_task

from .. import ssh
from ..errors import UsageError
from ..hosts import Host
from ..roles import cli_hosts, hosts_for, roles_of
from ..settings.fabric_config import running_program

if TYPE_CHECKING:
    from ..settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


class FleetTask(fabric.Task):  # type: ignore[misc]
    """A task that is called once with all hosts.

    Fabric calls a task again for each host of `-H`, one after another, and knows no roles; then no host could wait
    for another. So the first of these calls does the work for all, and the others nothing.
    """

    def __call__(self, c: Context, *args: Any, **kwargs: Any) -> Any:
        given = cli_hosts()
        if given and self._is_called_by_fab():
            if self.times_called % len(given):
                self.times_called += 1
                return None
            # Not one of the hosts, but all: what `targets` makes of a context without a host.
            c = Context(config=c.config)
        return super().__call__(c, *args, **kwargs)

    def _is_called_by_fab(self) -> bool:
        """Whether it stands on the command line, rather than being called by a project's own task for its host."""
        program = running_program()
        names = [context.name for context in getattr(program, "tasks", [])]
        return program is not None and any(program.collection[name] is self for name in names)


class HostTask(fabric.Task):  # type: ignore[misc]
    """A project's own task, called host by host as Fabric does it, with host keys checked from the first command on."""

    def __call__(self, c: Context, *args: Any, **kwargs: Any) -> Any:
        if isinstance(c, Connection) and not c.is_connected:
            ssh.secure(c)
        return super().__call__(c, *args, **kwargs)


def own_task(*args: Any, **kwargs: Any) -> Any:
    """Like `fabric.task`, for a project's own tasks: host keys are checked, sandbox hosts are known by name."""
    return invoke_task(*args, **{"klass": HostTask, **kwargs})


def task(*args: Any, **kwargs: Any) -> Callable[[F], F]:
    """Like `invoke.task`, for a task that is called once with all hosts. No short flags: `-d` could mean anything."""
    return invoke_task(*args, **{"klass": FleetTask, "auto_shortflags": False, **kwargs})


@dataclass(frozen=True)
class Target:
    """A host to work on.

    :param roles: the roles it plays.
    """

    connection: Connection
    roles: Container[str]


def targets(c: Context, settings: Settings) -> list[Target]:
    """The hosts that a task works on: the one it was called for, or those of `-H`, or those of the roles.

    :raises UsageError: there are none.
    """
    if isinstance(c, Connection):
        return [Target(c, roles_of(settings, Host.of(c)))]
    given = cli_hosts()
    if not given and not any(settings.roles.values()):
        raise UsageError(
            "no hosts: name one with `fab -H user@host ...`, or list them in fabric.yaml:\n"
            "    roles:\n      web: [user@host]"
        )
    hosts = list(dict.fromkeys(Host.parse(spec) for spec in given)) if given else hosts_for(settings)
    return [Target(ssh.to(host, c.config), roles_of(settings, host)) for host in hosts]
