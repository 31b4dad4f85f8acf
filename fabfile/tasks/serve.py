"""`fab serve`: the app on this machine, as on the hosts."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import recipes
from ..errors import UsageError
from ..fab.task import TaskCall, task
from ..inventory.roles import ALL_ROLES

if TYPE_CHECKING:
    from ..settings import Settings

_PORT = 8000


@task(
    hosts=False,
    arguments="[PROCESS ...]",
    help={
        "words": "The processes to start; by default, all.",
        "port": f"Port of the site on 127.0.0.1; by default {_PORT}.",
        "release": "Run the `release` process first, as a deploy does.",
        "no-services": "Start no services, such as a database.",
    },
)
def serve(
    call: TaskCall,
    words: Sequence[str] = (),
    port: str | None = None,
    release: bool = False,
    no_services: bool = False,
) -> None:
    """Run the app's processes and services on this machine, until Ctrl-C."""
    import asyncio

    from ..local.app import COLLECT, RELEASE, LocalApp, LocalPlan, collects
    from ..local.services import instances
    from ..local.variables import local_env

    settings, console = call.settings, call.console
    # What a deploy would refuse is refused here, too.
    recipes.release.configuration(settings, ALL_ROLES, RELEASE)
    processes = _chosen(words, settings)
    if release and "release" not in settings.processes:
        raise UsageError("--release: there is no process `release` in the Procfile or in `processes`")
    own = local_env(settings.project)
    services = [] if no_services else instances(settings, own)
    plan = LocalPlan(settings, processes, _number(port), release, services, own)
    once = [*(["release"] if release else []), *([COLLECT] if "web" in processes and collects(settings) else [])]
    labels = [*(instance.service.name for instance in services), *once, *processes]

    async def run() -> None:
        app = LocalApp(
            plan, lambda name, data: console.output(name, "stdout", data), lambda text: console.say(text, "dim")
        )
        await app.run()

    with console.outputs(labels):
        if "release" in settings.processes and not release:
            console.say("release: not run; `fab serve --release` does so first", style="dim")
        asyncio.run(run())


def _chosen(names: Sequence[str], settings: Settings) -> list[str]:
    """Choose the named processes; all of them when none is named.

    :raises UsageError: there is no such process.
    """
    # The entries of `cron` are run by a part of the release, and at night.
    known = [name for name in settings.processes if name != "release" and not (name == "cron" and settings.cron)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = "; the flag --release runs that" if name == "release" else ""
            hint = hint or (f"; did you mean {near[0]}?" if near else "")
            raise UsageError(f"found {name!r}, expected processes out of {', '.join(known)}{hint}")
    return list(dict.fromkeys(names)) or known


def _number(port: str | None) -> int:
    """Read --port.

    :raises UsageError: it is not a port number.
    """
    if port is None:
        return _PORT
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"--port: found {port!r}, expected a number from 1 to 65535, such as {_PORT}")
    return int(port)
