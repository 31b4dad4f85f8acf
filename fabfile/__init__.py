"""hostsmith: put Python web apps on your own servers.

`from hostsmith import provision, deploy, rollback` in a fabfile gives it these tasks, `from hostsmith import ns` all of
them, and `converge` or `converge_all` with the resources is for your own tasks.

All of it is loaded on first use: a command waits only for what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors, recipes, resources
from ._version import __version__
from .fab.adoption import adopt_running_program

if TYPE_CHECKING:
    from .converging import converge, converge_all
    from .fab.own import task
    from .inventory.project import load
    from .inventory.roles import hosts_for, role
    from .rendering.template import Template
    from .report import Report, Result
    from .resources import (
        Absent,
        Change,
        Command,
        Directory,
        File,
        GitCheckout,
        Group,
        Handler,
        Package,
        Program,
        Reload,
        Resource,
        ResourceError,
        Restart,
        Secret,
        Service,
        Symlink,
        User,
        Validated,
        Virtualenv,
    )
    from .tasks.backup import backup
    from .tasks.backups import backups
    from .tasks.collection import ns
    from .tasks.deploy import deploy
    from .tasks.doctor import doctor
    from .tasks.hosts import hosts
    from .tasks.init import init
    from .tasks.logs import logs
    from .tasks.manage import manage
    from .tasks.pending import pending
    from .tasks.plan import plan
    from .tasks.provision import provision
    from .tasks.ps import ps
    from .tasks.releases import releases
    from .tasks.restart import restart
    from .tasks.restore import restore
    from .tasks.rollback import rollback
    from .tasks.run import run
    from .tasks.scale import scale
    from .tasks.serve import serve
    from .tasks.shell import shell
    from .tasks.status import status
    from .tasks.unlock import unlock

__all__ = [
    "Absent",
    "Change",
    "Command",
    "Directory",
    "File",
    "GitCheckout",
    "Group",
    "Handler",
    "Package",
    "Program",
    "Reload",
    "Report",
    "Resource",
    "ResourceError",
    "Restart",
    "Result",
    "Secret",
    "Service",
    "Symlink",
    "Template",
    "User",
    "Validated",
    "Virtualenv",
    "__version__",
    "backup",
    "backups",
    "converge",
    "converge_all",
    "deploy",
    "doctor",
    "errors",
    "hosts",
    "hosts_for",
    "init",
    "load",
    "logs",
    "manage",
    "ns",
    "pending",
    "plan",
    "provision",
    "ps",
    "recipes",
    "releases",
    "restore",
    "restart",
    "role",
    "rollback",
    "run",
    "serve",
    "shell",
    "scale",
    "status",
    "task",
    "unlock",
]

# Modules of names other than tasks; a task is in the module of the same name.
_MODULES = {
    "tasks.collection": ["ns"],
    "converging": ["converge", "converge_all"],
    "report": ["Report", "Result"],
    "resources": resources.__all__,
    "inventory.roles": ["hosts_for", "role"],
    "inventory.project": ["load"],
    "fab.own": ["task"],
    "rendering.template": ["Template"],
}

# `fab` imports the fabfile, and so us.
adopt_running_program()

if not TYPE_CHECKING:  # a type checker knows the names, and which there are not

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = next((module for module, names in _MODULES.items() if name in names), f"tasks.{name}")
        return getattr(importlib.import_module(f".{module}", __name__), name)
