"""What the tasks share: running once for all hosts, and the flags that limit these."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import fabric
from invoke.context import Context
from invoke.tasks import task as invoke_task

from ..inventory.roles import cli_hosts
from ..inventory.targets import Target as Target
from ..inventory.targets import targets as targets
from ..settings.fabric_config import running_program

F = TypeVar("F", bound=Callable[..., Any])


class FleetTask(fabric.Task):  # type: ignore[misc]
    """A task that is called once with all hosts.

    Fabric calls a task again for each host of `-H`, one after another, and knows no roles; then no host could wait
    for another. So the first of these calls does the work for all, and the others nothing.
    """

    def __init__(self, *args: Any, short: Mapping[str, str], **kwargs: Any) -> None:
        self.short = short
        super().__init__(*args, **kwargs)

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        """What Invoke makes of a parameter, with the short flag that was given for it."""
        options: dict[str, Any] = super().arg_opts(name, default, taken_names)
        if name in self.short:
            options["names"].append(self.short[name])
        return options

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


_LIMITS = {
    "role": "Only hosts of this role, or of these: web,worker.",
    "host": "Only this host, or these: web1,web2.",
    "exclude": "Not this host, or these: web1,web2.",
}


def task(
    *, help: Mapping[str, str] | None = None, short: Mapping[str, str] | None = None, **kwargs: Any
) -> Callable[[F], F]:
    """Like `invoke.task`, for a task that is called once with all hosts.

    :param help: of each flag; those that limit the hosts have theirs already.
    :param short: short flags, by the name of the long one; the others have none, for `-d` could mean anything.
    """

    def decorate(body: F) -> F:
        flags_of_body = inspect.signature(body).parameters
        limits = {name: text for name, text in _LIMITS.items() if name in flags_of_body}
        flags = {"klass": FleetTask, "auto_shortflags": False, "help": {**limits, **(help or {})}, "short": short or {}}
        decorated: F = invoke_task(**{**flags, **kwargs})(body)
        return decorated

    return decorate
