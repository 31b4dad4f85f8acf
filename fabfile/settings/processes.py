"""The processes of the app: the command of each, and how it is started, limited and stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ..errors import SettingsError
from . import values as kind
from .kinds import MappingOf, Number, Text, UnexpectedError
from .model import Model
from .procfile import role_of

if TYPE_CHECKING:
    from ..openssh.host import Host, Machine
    from .project import Settings

EXPECTED = "a command such as `python worker.py`, or a mapping such as {command: python worker.py, scale: 2}"
_LARGEST_SCALE = 100
_SCALE = f"a whole number from 0 to {_LARGEST_SCALE}"
_SIGNAL = "a signal: TERM, INT, QUIT, HUP, USR1, USR2 or KILL"
_MEMORY = "a size: a number with k, m or g after it, such as 512m"
_UNITS = {"k": 1, "m": 1024, "g": 1024 * 1024}
# One day, after which nobody would wait for a deploy any more.
_LONGEST_STOP = 86400

Scale = Annotated[int, Field(ge=0), Number(_SCALE, _LARGEST_SCALE)]


class Process(Model):
    """One process of the app."""

    command: Annotated[str, AfterValidator(kind.command), Text(kind.COMMAND)] = Field(
        "", description="What is run. Default: the command that the Procfile has for the name."
    )
    scale: Scale = Field(
        1,
        description="How many of it run on each of its hosts; 0 for none. For `web` it is the workers of gunicorn, "
        "which `workers` says.",
    )
    stop_signal: Annotated[str, Text(_SIGNAL, "TERM|INT|QUIT|HUP|USR1|USR2|KILL")] = Field(
        "TERM", description="Signal that asks it to end."
    )
    stop_timeout: Annotated[
        Annotated[int, Field(ge=1)] | None, Number(f"a number of seconds from 1 to {_LONGEST_STOP}", _LONGEST_STOP)
    ] = Field(
        None,
        description="Seconds that it has to finish what it is at when it is asked to end; then it is killed. "
        "Default: `web_timeout` and 5.",
    )
    memory: Annotated[str | None, Text(_MEMORY, r"[1-9][0-9]{0,8}[kKmMgG]")] = Field(
        None, description="Memory that it, and each of its children, may take. Default: no limit."
    )
    start_timeout: kind.Positive = Field(1, description="Seconds that it has to stay up to count as started.")
    singleton: kind.Flag = Field(
        False,
        description="Whether there must never be two of it: it runs on one host only, and the old one has ended before "
        "the new one is started.",
    )

    @property
    def memory_kib(self) -> int | None:
        """The limit of its memory in units of 1024 bytes."""
        return int(self.memory[:-1]) * _UNITS[self.memory[-1].lower()] if self.memory else None


def _shorthand(value: Any) -> Any:
    """A command by itself is a process that is as all are."""
    if isinstance(value, str | int | float | bool):
        return {"command": value}
    if not isinstance(value, dict | Process):
        raise UnexpectedError(EXPECTED)
    return value


def _consistent(processes: dict[str, Process]) -> dict[str, Process]:
    for name, process in processes.items():
        if process.singleton and process.scale > 1:
            raise UnexpectedError("one of a singleton at most", found=f"{name} with a scale of {process.scale}")
        if name == "web" and (process.singleton or "scale" in process.model_fields_set):
            raise UnexpectedError(
                "`web` without scale and singleton",
                "`workers` says how many gunicorn has; the old and the new one serve side by side for a while",
                found="web with one of them",
            )
        if name == "release" and process.model_fields_set - {"command", "memory"}:
            raise UnexpectedError(
                "`release` with a command and nothing else but memory", "it is run once and ends by itself",
                found="release with more",
            )  # fmt: skip
    return processes


Processes = Annotated[
    dict[kind.ProcessName, Annotated[Process, BeforeValidator(_shorthand)]],
    AfterValidator(_consistent),
    MappingOf("process names with their commands, such as {worker: python worker.py}"),
]


def merged(procfile: Mapping[str, str], own: Mapping[str, Process]) -> dict[str, Process]:
    """The processes of the Procfile, with those of the settings over them."""
    found = {name: Process(command=command) for name, command in procfile.items()}
    for name, process in own.items():
        if not process.command and name in found:
            process = process.model_copy(update={"command": found[name].command})
        found[name] = process
    return found


def require_commands(processes: Mapping[str, Process], file: str, procfile: str) -> None:
    """See that each process has a command.

    :param file: the settings file, for the message.
    :param procfile: likewise.
    :raises SettingsError: one has none.
    """
    problems = [
        f"{file}: processes.{name}: found no command, neither here nor for {name} in {procfile}; expected one, such as "
        f"`{name}: {{command: python {name}.py}}`"
        for name, process in processes.items()
        if not process.command
    ]
    if problems:
        raise SettingsError("\n".join(problems))


def once_elsewhere(settings: Settings, host: Host) -> list[str]:
    """The singletons that not this host runs but another one of the settings: the primary one, or else the first.

    All hosts of the settings are looked at, not only those that a task works on, so that each run comes to the same.
    """
    return [
        name
        for name, process in settings.processes.items()
        if process.singleton and _runner(settings, name) not in (None, settings.machine(host))
    ]


def _runner(settings: Settings, process: str) -> Machine | None:
    """The machine that runs a process of which there is one."""
    hosts = [entry.host for entry in settings.roles.get(role_of(process, settings.roles), [])]
    primary = [host for host in hosts if (entry := settings.entry(host)) and entry.primary]
    return next((settings.machine(host) for host in [*primary, *hosts]), None)
