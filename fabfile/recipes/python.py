"""Python on a host, for virtualenvs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..resources import Package, Resource

if TYPE_CHECKING:
    from ..settings import Settings


def python(settings: Settings) -> list[Resource]:
    """Install the packages of the system's interpreter, which tools need, and of the setting `python`.

    An interpreter that is set by its path, or that the code asks for, is left to the project.
    """
    name = settings.python or "python3"
    names = ["python3", *([name] if re.fullmatch(r"python3\.\d+", name) else [])]
    return [Package(*(package for name in names for package in (name, f"{name}-venv")))]
