"""Resources: what a host can be, one noun per module.

This package travels to the host, so it uses the standard library only. Names are loaded on first use, so that a host
compiles only the modules that its plan needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..contract.base import Change as Change
    from ..contract.base import Handler as Handler
    from ..contract.base import Resource as Resource
    from ..contract.base import ResourceError as ResourceError
    from ..contract.secret import Secret as Secret
    from .absent import Absent as Absent
    from .command import Command as Command
    from .directory import Directory as Directory
    from .file import File as File
    from .git import GitCheckout as GitCheckout
    from .group import Group as Group
    from .handlers import Reload as Reload
    from .handlers import Restart as Restart
    from .package import Package as Package
    from .program import Program as Program
    from .service import Service as Service
    from .symlink import Symlink as Symlink
    from .user import User as User
    from .validated import Validated as Validated
    from .virtualenv import Virtualenv as Virtualenv

_MODULE_OF = {
    "Absent": ".absent",
    "Change": "..contract.base",
    "Command": ".command",
    "Directory": ".directory",
    "File": ".file",
    "GitCheckout": ".git",
    "Group": ".group",
    "Handler": "..contract.base",
    "Package": ".package",
    "Program": ".program",
    "Reload": ".handlers",
    "Resource": "..contract.base",
    "ResourceError": "..contract.base",
    "Restart": ".handlers",
    "Secret": "..contract.secret",
    "Service": ".service",
    "Symlink": ".symlink",
    "User": ".user",
    "Validated": ".validated",
    "Virtualenv": ".virtualenv",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name], __name__), name)
