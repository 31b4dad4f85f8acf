"""Python on a host: what it takes to make virtualenvs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..resources import Package, Resource

if TYPE_CHECKING:
    from ..settings import Settings


def python(settings: Settings) -> list[Resource]:
    """The packages of the interpreter that `python` names, or of the host's own.

    One named by its path is the project's own business, and so is one that the code asks for.
    """
    name = settings.python or "python3"
    if not re.fullmatch(r"python3(\.\d+)?", name):
        return []
    return [Package(name, f"{name}-venv")]
