"""Words after `--` on fab's command line, for the task that takes them.

Fabric itself runs it on the hosts of `-H`, without any task. Beside a task it can make nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import fabric

from ..errors import UsageError
from ..settings.fabric_config import running_program

if TYPE_CHECKING:
    from fabric.main import Fab


class TakingExecutor(fabric.Executor):  # type: ignore[misc]
    """Leaves what stands after `--` to a task that has `takes_remainder`.

    :raises UsageError: no task takes it.
    """

    def expand_calls(self, calls: Sequence[Any], apply_hosts: bool = True) -> list[Any]:
        if self.core.remainder and calls:
            if not any(getattr(call, "takes_remainder", False) for call in calls):
                raise UsageError(
                    f"found -- {self.core.remainder}, expected no command here; `fab run -- ...` takes one"
                )
            self.core.remainder = ""
        expanded: list[Any] = super().expand_calls(calls, apply_hosts)
        return expanded


def adopt(program: Fab) -> None:
    """Give the running `fab` our executor."""
    if program.executor_class is fabric.Executor:
        program.executor_class = TakingExecutor


def words() -> list[str]:
    """The words after the first `--`, as the shell gave them: Fabric joins them by spaces."""
    program = running_program()
    argv: list[str] = program.argv if program else []
    return argv[argv.index("--") + 1 :] if "--" in argv else []
