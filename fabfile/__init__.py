"""hostsmith: put Python web apps on your own servers.

`from hostsmith import provision, deploy, rollback` in a fabfile gives it these tasks, `from hostsmith import ns` all of
them, and `converge` with the resources is for tasks of your own.
"""

from __future__ import annotations

from . import errors, recipes
from ._version import __version__
from .collection import ns
from .converge import converge
from .report import Report, Result
from .resources.absent import Absent
from .resources.base import Change, Handler, Resource, ResourceError
from .resources.command import Command
from .resources.directory import Directory
from .resources.file import File
from .resources.git import GitCheckout
from .resources.group import Group
from .resources.handlers import Reload, Restart
from .resources.package import Package
from .resources.program import Program
from .resources.secret import Secret
from .resources.service import Service
from .resources.symlink import Symlink
from .resources.user import User
from .resources.validated import Validated
from .resources.virtualenv import Virtualenv
from .roles import hosts_for, role
from .settings import load
from .tasks.backup import backup
from .tasks.backups import backups
from .tasks.base import own_task as task
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
from .templating import Template

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
