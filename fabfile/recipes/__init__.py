"""Recipes: pure functions from settings to resources, one module per thing that a host runs.

Each can be called, extended and replaced on its own; `provision` and `release.prepared` put them together. They are
loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import app as app
    from . import deployers as deployers
    from . import haproxy as haproxy
    from . import hardening as hardening
    from . import nginx as nginx
    from . import python as python
    from . import release as release
    from . import roles as roles
    from . import services as services
    from . import supervisor as supervisor
    from . import system as system
    from . import tls as tls
    from .provisioning import provision as provision

__all__ = [
    "app",
    "deployers",
    "haproxy",
    "hardening",
    "nginx",
    "provision",
    "python",
    "release",
    "roles",
    "services",
    "supervisor",
    "system",
    "tls",
]

if not TYPE_CHECKING:  # a type checker knows the names, and which there are not

    def __getattr__(name: str) -> Any:
        if name == "provision":
            return importlib.import_module(".provisioning", __name__).provision
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module(f".{name}", __name__)
