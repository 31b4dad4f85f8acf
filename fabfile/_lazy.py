"""Packages that load their modules on first use, for a fast start."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Container
from types import ModuleType


def modules(package: str, names: Container[str]) -> Callable[[str], ModuleType]:
    """Make the `__getattr__` of such a package.

    :param names: names of its modules.
    """

    def load(name: str) -> ModuleType:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f".{name}", package)

    return load
