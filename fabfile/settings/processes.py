"""Settings of the processes: command, scale, limits, start and stop of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ..errors import SettingsError
from . import values as kind
from .kinds import MappingOf, Model, Number, Text, UnexpectedError

EXPECTED = "a command such as `python worker.py`, or a mapping such as {command: python worker.py, scale: 2}"
_LARGEST_SCALE = 100
_SCALE = f"a whole number from 0 to {_LARGEST_SCALE}"
_SIGNAL = "a signal: TERM, INT, QUIT, HUP, USR1, USR2 or KILL"
_MEMORY = "a size: a number with k, m or g after it, such as 512m"
_UNITS = {"k": 1, "m": 1024, "g": 1024 * 1024}
# One day: nobody waits longer for a deploy.
_LONGEST_STOP = 86400

Scale = Annotated[int, Field(ge=0), Number(_SCALE, _LARGEST_SCALE)]


class Process(Model):
    """One process of the app."""

    command: Annotated[str, AfterValidator(kind.command), Text(kind.COMMAND)] = Field(
        "", description="Command to run. Default: the command of the same name in the Procfile."
    )
    scale: Scale = Field(
        1,
        description="Number of instances per host; `0` for none. Not for `web`: set `workers`.",
    )
    stop_signal: Annotated[str, Text(_SIGNAL, "TERM|INT|QUIT|HUP|USR1|USR2|KILL")] = Field(
        "TERM", description="Signal that stops the process."
    )
    stop_timeout: Annotated[
        Annotated[int, Field(ge=1)] | None, Number(f"a number of seconds from 1 to {_LONGEST_STOP}", _LONGEST_STOP)
    ] = Field(
        None,
        description="Seconds the process gets to finish its current work after the stop signal; then it is killed. "
        "Default: `web_timeout` plus 5.",
    )
    memory: Annotated[str | None, Text(_MEMORY, r"[1-9][0-9]{0,8}[kKmMgG]")] = Field(
        None, description="Memory limit of the process and of each of its children. Default: no limit."
    )
    start_timeout: kind.Positive = Field(1, description="Seconds the process must stay up to count as started.")
    singleton: kind.Flag = Field(
        False,
        description="Run on one host only, and never twice: a new release starts it after that of the previous one has "
        "stopped.",
    )

    @property
    def memory_kib(self) -> int | None:
        """The memory limit in KiB."""
        return int(self.memory[:-1]) * _UNITS[self.memory[-1].lower()] if self.memory else None


def _shorthand(value: Any) -> Any:
    """Read a command by itself as a process with defaults."""
    if isinstance(value, str | int | float | bool):
        return {"command": value}
    if not isinstance(value, dict | Process):
        raise UnexpectedError(EXPECTED)
    return value


def _consistent(processes: dict[str, Process]) -> dict[str, Process]:
    for name, process in processes.items():
        if process.singleton and process.scale > 1:
            raise UnexpectedError(
                "a scale of at most 1 for a singleton", found=f"{name} with a scale of {process.scale}"
            )
        if name == "web" and (process.singleton or "scale" in process.model_fields_set):
            raise UnexpectedError(
                "`web` without scale and singleton",
                "set `workers` for gunicorn; the web processes of two releases overlap during a switch",
                found="web with one of them",
            )
        if name == "release" and process.model_fields_set - {"command", "memory"}:
            raise UnexpectedError(
                "`release` with nothing but command and memory", "it runs once and ends by itself",
                found="release with other keys",
            )  # fmt: skip
    return processes


Processes = Annotated[
    dict[kind.ProcessName, Annotated[Process, BeforeValidator(_shorthand)]],
    AfterValidator(_consistent),
    MappingOf("process names with their commands, such as {worker: python worker.py}"),
]


def merged(procfile: Mapping[str, str], own: Mapping[str, Process]) -> dict[str, Process]:
    """Merge the processes of the settings over those of the Procfile."""
    found = {name: Process(command=command) for name, command in procfile.items()}
    for name, process in own.items():
        if not process.command and name in found:
            process = process.model_copy(update={"command": found[name].command})
        found[name] = process
    return found


def require_commands(processes: Mapping[str, Process], file: str, procfile: str) -> None:
    """Check that each process has a command.

    :param file: name of the settings file, for the message.
    :param procfile: name of the Procfile, for the message.
    :raises SettingsError: a process has no command.
    """
    problems = [
        f"{file}: processes.{name}: the command is missing here and in {procfile}; write for instance "
        f"`{name}: {{command: python {name}.py}}`"
        for name, process in processes.items()
        if not process.command
    ]
    if problems:
        raise SettingsError("\n".join(problems))
