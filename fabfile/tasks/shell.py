"""`fab shell`: a program of the app on this terminal, such as Django's shell."""

from __future__ import annotations

import shlex

from invoke.exceptions import Exit

from ..errors import ReleaseError
from ..fab import remainder
from ..fab.task import TaskCall, task
from ..hostkit.app.layout import Layout
from .run import chosen

# Root becomes the app's user by itself, others by sudo, which asks for a password on this very terminal.
_AS_APP = '[ "$(id -u)" = 0 ] && exec runuser -u "$0" -- "$@"; exec sudo -u "$0" -- "$@"'


@task(takes_remainder=True)
def shell(call: TaskCall) -> None:
    """Open a Python shell in the live release: Django's, or the command after `--`, on this terminal."""
    from ..connection import terminal

    terminal.check()
    settings = call.settings
    targets = chosen(call, once=True)
    with call.look(targets) as fleet:
        live = fleet.each(lambda member: member.ask("live_release", app=settings.app))
    fleet.check()
    if not all(live.values()):
        raise ReleaseError(f"no release of {settings.app} is live on {targets[0].label}; run `fab deploy` first")
    default = ["python", "manage.py", "shell"] if settings.is_django else ["python"]
    start = [f"{Layout(settings.app).current}/start", "run", *(remainder.words() or default)]
    status = terminal.attached(targets[0].connection, shlex.join(["sh", "-c", _AS_APP, settings.app, *start]))
    if status:
        raise Exit(code=status)
