"""Packages whose modules are loaded when they are first used, so that a command waits for those only that it needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Container
from types import ModuleType


def modules(package: str, names: Container[str]) -> Callable[[str], ModuleType]:
    """The `__getattr__` of such a package.

    :param names: those of its modules.
    """

    def load(name: str) -> ModuleType:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f".{name}", package)

    return load
