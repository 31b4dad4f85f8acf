"""Program that supervisord keeps running."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.supervisor import supervisord
from .file import File

_FOLDER = "/etc/supervisor/conf.d"


@dataclass(frozen=True)
class Program(Resource):
    """A program that supervisord keeps running; only a change of its configuration restarts it.

    :param name: its name, for supervisord and for its configuration file.
    :param command: command line; split into words like in a shell, but run without one.
    :param user: user to run as.
    :param directory: working folder.
    :param environment: environment variables to add.
    :param stop_seconds: seconds it gets to end after the stop signal, before it is killed.
    :param log: file for its output; None: supervisord chooses.
    """

    name: str
    command: str
    user: str | None = None
    directory: str | None = None
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    stop_seconds: int = 10
    log: str | None = None

    def describe(self) -> str:
        return f"program {self.name}"

    def check(self) -> Change | None:
        file = File(self._path, self._configuration(), mode=0o600)
        change = file.check()
        if change is None and self._runs():
            return None
        had_one = os.path.exists(file.path)

        def apply() -> None:
            if change:
                change.apply()
            self._restart()

        def undo() -> None:
            if change and change.undo:
                change.undo()
            supervisord.stop_group(self.name, self._path)
            if had_one:
                supervisord.start_group(self.name)

        # The file may hold secrets in its environment, so it has no diff.
        return Change(change.summary if change else "started", apply, undo)

    @property
    def _path(self) -> str:
        return f"{_FOLDER}/{self.name}.conf"

    def _runs(self) -> bool:
        found = supervisord.processes(self.name)
        return bool(found) and all(process["statename"] in {"RUNNING", "STARTING"} for process in found)

    def _restart(self) -> None:
        supervisord.read_configuration()
        supervisord.stop_group(self.name, self._path)
        supervisord.start_group(self.name)

    def _configuration(self) -> str:
        pairs = ",".join(f"{key}={self._quoted(key, value)}" for key, value in self.environment.items())
        lines = [
            f"[program:{self.name}]",
            f"command={_percent(self.command)}",
            f"user={self.user}" if self.user else "",
            f"directory={_percent(self.directory)}" if self.directory else "",
            f"environment={pairs}" if pairs else "",
            "autorestart=true",
            f"stopwaitsecs={self.stop_seconds}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_percent(self.log)}" if self.log else "",
        ]
        for line in lines:
            # Line breaks, and what supervisord reads as the beginning of a comment.
            if re.search(r"[\r\n]|\s[;#]", line):
                raise ResourceError(
                    f"program {self.name}: {line.partition('=')[0]} has a line break, or a ';' or '#' after a space, "
                    "which cannot be written in supervisord's configuration; put it into a separate script or file"
                )
        return "".join(f"{line}\n" for line in lines if line)

    def _quoted(self, key: str, value: str) -> str:
        """Quote a value; supervisord has no escapes, and strips all quotes from both ends."""
        quote = "'" if '"' in value else '"'
        if quote in value or value.strip("'\"") != value:
            raise ResourceError(
                f"program {self.name}: {key} has both kinds of quotes, or one at an end, which cannot be written in "
                "supervisord's configuration; put it into a separate file"
            )
        return f"{quote}{_percent(value)}{quote}"


def _percent(text: str) -> str:
    """Escape percent signs, since supervisord expands %(name)s everywhere."""
    return text.replace("%", "%%")
