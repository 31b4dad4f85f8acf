"""`fab manage`: a command of Django's manage.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fab import remainder
from ..fab.task import task
from ..inventory.targets import Limits
from .run import CommandTask, run_command

if TYPE_CHECKING:
    from invoke.context import Context


@task(klass=CommandTask)
def manage(c: Context, role: str | None = None, host: str | None = None, exclude: str | None = None) -> dict[str, int]:
    """Run the command after `--` by Django's manage.py, on one host: the primary one."""
    return run_command(c, ["python", "manage.py", *remainder.words()], Limits(role, host, exclude), once=True)
