"""`fab manage`: a command of Django's manage.py."""

from __future__ import annotations

from ..fab import remainder
from ..fab.task import TaskCall, task
from .run import run_command


@task(takes_remainder=True)
def manage(call: TaskCall) -> dict[str, int]:
    """Run the command after `--` with Django's manage.py, on one host: the primary one."""
    return run_command(call, ["python", "manage.py", *remainder.words()], once=True)
