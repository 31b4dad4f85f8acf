"""Registry of services: hostsmith's own, loaded on demand, and a project's."""

from __future__ import annotations

import importlib
import re
from typing import TypeVar

from ..errors import SettingsError
from .base import AppService

Kind = TypeVar("Kind", bound=type[AppService])

_OWN = ("postgres", "mysql", "redis", "memcached", "files")
_KINDS: dict[str, type[AppService]] = {}


def register(kind: Kind) -> Kind:
    """Register a kind of service for use in the settings; use it as a decorator.

    :raises SettingsError: its name is invalid or taken.
    """
    name = getattr(kind, "name", "")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name):
        raise SettingsError(f"{kind.__name__}: found the name {name!r}, expected one such as search")
    other = known().get(name) if not _is_own(kind) else None
    if other is not None and (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise SettingsError(
            f"{kind.__name__}: found the name {name!r}, expected one that {other.__name__} has not taken"
        )
    _KINDS[name] = kind
    return kind


def _is_own(kind: type[AppService]) -> bool:
    return kind.__module__.rpartition(".")[0] == __package__


def known() -> dict[str, type[AppService]]:
    """Return all registered services by name."""
    for name in _OWN:
        importlib.import_module(f".{name}", __package__)
    return dict(_KINDS)
