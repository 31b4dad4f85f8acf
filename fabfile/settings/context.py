"""Context of validation: identity of hosts, known services, sandbox hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..openssh.host import Machines, machine_as_written


def _no_services() -> Mapping[str, Any]:
    return {}


def _no_sandbox(project: Path, name: str) -> bool:
    return False


@dataclass(frozen=True)
class ValidationContext:
    """Facts from higher layers for the validation of settings, as pydantic's `context`.

    :param machine: identifies the machine of a host; two hosts may be the same machine.
    :param services: returns the options of each registered service, by name.
    :param in_sandbox: whether a project's sandbox has a host of this name.
    """

    machine: Machines = machine_as_written
    services: Callable[[], Mapping[str, Any]] = _no_services
    in_sandbox: Callable[[Path, str], bool] = _no_sandbox


NO_CONTEXT = ValidationContext()
