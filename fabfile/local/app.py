"""The app on this machine: services, processes with the hosts' variables, and front."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from ..contract.secret import Secret
from ..errors import UsageError
from ..recipes.servers import is_gunicorn
from .folder import folder
from .front import ADDRESS, LocalFront
from .processes import LocalProcess, ProcessCommand, first_end, stop_all
from .services import files
from .variables import variables
from .watch import Watch

if TYPE_CHECKING:
    from ..settings import Settings
    from .services import Instance

RELEASE, COLLECT = "local", "collectstatic"


@dataclass(frozen=True)
class LocalPlan:
    """Parts of the app to run.

    :param processes: names of the processes to start.
    :param port: port of the site, when `web` is among them.
    :param release: whether the `release` process runs first.
    :param services: services that start first.
    :param own: the variables of `local.env`.
    """

    settings: Settings
    processes: Sequence[str]
    port: int
    release: bool
    services: Sequence[Instance]
    own: Mapping[str, str]


class LocalApp:
    """A run of the app until one of its processes ends or it is stopped; then all processes end.

    :param show: called with the name of a process and its output.
    :param say: called with other messages.
    """

    def __init__(self, plan: LocalPlan, show: Callable[[str, bytes], None], say: Callable[[str], None]) -> None:
        self._plan, self._show, self._say = plan, show, say
        # The path of a socket is too short for the path of any project.
        self._run = Path(tempfile.mkdtemp(prefix="hostsmith-"))
        self._watch = Watch()
        self._services: list[LocalProcess] = []
        self._processes: list[LocalProcess] = []
        self._front: LocalFront | None = None
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Run until Ctrl-C or a signal.

        :raises Exit: a process has ended, with its status.
        :raises UsageError: a part cannot be started.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        working = asyncio.create_task(self._work())
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            asked.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)
            await self._end()

    def _stop(self) -> None:
        """Stop all processes; kill them on the second call."""
        if self._asked.is_set():
            for process in self._processes + self._services:
                process.kill()
        else:
            self._say("stopping; Ctrl-C again kills")
        self._asked.set()

    async def _end(self) -> None:
        if self._front is not None:
            await self._front.close()
        await stop_all(self._processes)
        # Processes may need the services while they stop.
        await stop_all(self._services)
        self._watch.close()
        shutil.rmtree(self._run, ignore_errors=True)

    async def _work(self) -> None:
        plan = self._plan
        given: dict[str, Secret | str] = {**files(plan.settings)}
        for instance in plan.services:
            self._services.append(await instance.start(self._watch, self._shown(instance.service.name)))
            given |= instance.service.env(instance.access)
            self._say(f"{instance.service.name} listens on {instance.access.host}:{instance.access.port}")
        env = self._environment(given)
        if plan.release and (status := await self._once(self._command("release", env))):
            raise Exit(f"release ended with status {status}; nothing else was started", status)
        if "web" in plan.processes:
            await self._open(env)
        for name in plan.processes:
            self._processes.append(self._watch.start(self._command(name, env), self._shown(name)))
        ended, status = await first_end(self._processes + self._services)
        raise Exit(f"{ended.command.name} ended with status {status}; all others were stopped", status)

    async def _open(self, env: Mapping[str, str]) -> None:
        """Open the front of the site, with its static files."""
        settings = self._plan.settings
        static = {prefix: settings.source_folder / name for prefix, name in settings.static.items()}
        if collects(settings):
            if await self._once(
                ProcessCommand(COLLECT, ["python", "manage.py", COLLECT, "--noinput"], env, self._place)
            ):
                self._say(f"{COLLECT} failed: serving the static files of its last successful run")
            static = {"/static/": Path(env["STATIC_ROOT"]), "/media/": Path(env["MEDIA_ROOT"]), **static}
        self._front = LocalFront(str(self._run / "web.sock"), static)
        await self._front.open(self._plan.port)
        self._say(f"http://{ADDRESS}:{self._plan.port}")

    async def _once(self, command: ProcessCommand) -> int:
        """Run a command to its end; returns its exit status."""
        process = self._watch.start(command, self._shown(command.name))
        # Until it has ended, a stop has to reach it.
        self._processes.append(process)
        status = await process.ended()
        await self._watch.finish(process)
        self._processes.remove(process)
        return status

    def _shown(self, name: str) -> Callable[[bytes], None]:
        return lambda data: self._show(name, data)

    def _command(self, name: str, env: Mapping[str, str]) -> ProcessCommand:
        settings = self._plan.settings
        process = settings.processes[name]
        return ProcessCommand(
            name,
            ["sh", "-c", process.command],
            env,
            self._place,
            stop_signal=signal.Signals[f"SIG{process.stop_signal}"],
            stop_timeout=process.stop_timeout or settings.web_timeout + 5,
        )

    @property
    def _place(self) -> Path:
        """Folder of the code."""
        settings = self._plan.settings
        return settings.source_folder if settings.source_is_local else settings.project

    def _environment(self, services: Mapping[str, Secret | str]) -> dict[str, str]:
        """Build the variables of the processes: those of the hosts on top of the terminal's.

        :raises UsageError: gunicorn is not installed here.
        """
        plan = self._plan
        env = {
            **os.environ,
            **{name: value.reveal() if isinstance(value, Secret) else value for name, value in services.items()},
            **({"STATIC_ROOT": str(folder(plan.settings.project) / "static")} if plan.settings.is_django else {}),
            **variables(plan.settings, plan.own),
            **plan.own,
            "HOSTSMITH_APP": plan.settings.app,
            "HOSTSMITH_RELEASE": RELEASE,
            "PYTHONUNBUFFERED": "1",
            "SOCKET": str(self._run / "web.sock"),
            "GUNICORN_CMD_ARGS": shlex.join(["--config", self._gunicorn()]),
        }
        if venv := _virtualenv(plan.settings):
            env |= {"VIRTUAL_ENV": venv, "PATH": f"{venv}/bin:{env.get('PATH', os.defpath)}"}
        web = plan.settings.processes["web"].command if "web" in plan.processes else ""
        if is_gunicorn(web) and not shutil.which("gunicorn", path=env.get("PATH", os.defpath)):
            where = f"in {venv}" if venv else "on this machine; there is no virtualenv .venv, and none is active"
            raise UsageError(f"web: gunicorn is missing {where}; install it there: `python -m pip install gunicorn`")
        return env

    def _gunicorn(self) -> str:
        """Write gunicorn's settings to a file as on the hosts, with reload of changed code."""
        path = self._run / "gunicorn.conf.py"
        settings = {
            "bind": f"unix:{self._run / 'web.sock'}",
            "reload": True,
            "threads": self._plan.settings.threads,
            "forwarded_allow_ips": "*",
            "control_socket": str(self._run / "gunicorn.ctl"),
            "accesslog": "-",
        }
        path.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
        return str(path)


def collects(settings: Settings) -> bool:
    """Whether static files are collected before the start, as in a deploy."""
    return settings.is_django and "/static/" not in settings.static


def _virtualenv(settings: Settings) -> str | None:
    """Find the project's virtualenv, or else the active one; None without either."""
    own = [settings.project / ".venv", *([settings.source_folder / ".venv"] if settings.source_is_local else [])]
    return next((str(path) for path in own if (path / "bin" / "python").exists()), os.environ.get("VIRTUAL_ENV"))
