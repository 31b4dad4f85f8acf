"""Python on a host: what it takes to make virtualenvs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..resources import Package, Resource

if TYPE_CHECKING:
    from ..settings import Settings


def python(settings: Settings) -> list[Resource]:
    """The packages of the interpreter that `python` names; one named by its path is the project's own business."""
    name = settings.python
    if not re.fullmatch(r"python3(\.\d+)?", name):
        return []
    return [Package(name, f"{name}-venv")]
