"""The framework of the app, for which a deploy knows what to do beside starting it."""

from __future__ import annotations

from typing import Annotated

from .kinds import Text

DJANGO = "django"

Framework = Annotated[str | None, Text("django, or null for none", DJANGO)]

# What a framework's app runs unless its Procfile or its settings say otherwise.
_PROCESSES = {DJANGO: {"release": "python manage.py migrate --noinput"}}


def processes(framework: str | None) -> dict[str, str]:
    """The processes that every app of a framework has."""
    return _PROCESSES.get(framework or "", {})
