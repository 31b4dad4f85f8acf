"""Python on a host: what it takes to make virtualenvs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..resources import Package, Resource

if TYPE_CHECKING:
    from ..settings import Settings


def python(settings: Settings) -> list[Resource]:
    """The packages of the host's own interpreter, by which tools are installed, and of the one that `python` names.

    One named by its path is the project's own business, and so is one that the code asks for.
    """
    name = settings.python or "python3"
    names = ["python3", *([name] if re.fullmatch(r"python3\.\d+", name) else [])]
    return [Package(*(package for name in names for package in (name, f"{name}-venv")))]
