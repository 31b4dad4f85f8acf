"""Parts of a backup: their commands and hosts."""

from __future__ import annotations

import inspect
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..hostkit.app.layout import Layout
from .processes import processes
from .roles import ALL_ROLES
from .targets import Target, of_role, primary

if TYPE_CHECKING:
    from invoke.context import Context

    from ..services import Argv, Restore
    from ..settings import Settings

ENVIRONMENT, FILES = "environment", "files"


@dataclass(frozen=True)
class Part:
    """One part of a backup.

    :param role: role of its host; empty for the host of the app.
    :param dump: command that prints it.
    :param restore: commands that restore it; None if it cannot be restored.
    """

    name: str
    role: str
    dump: Argv
    restore: Restore | None


def parts(settings: Settings) -> list[Part]:
    """List the parts of an app: its files, and its services with data."""
    # It loads pydantic, which `fab --list` does not need.
    from .placement import services

    found = [files(settings.app)]
    for service in services(settings):
        # The service's folder is below the app's shared folder, and so in the files.
        if service.name != FILES and (dump := service.backup()):
            role = service.home if settings.roles.get(service.home) else ""
            found.append(Part(service.name, role, dump, service.restore()))
    return found


def parts_on(settings: Settings, roles: Container[str]) -> tuple[list[Part], bool]:
    """List the parts on a host of these roles, and whether it has an environment, as hosts of the app do."""
    has_app = bool(processes(settings, roles))
    return [part for part in parts(settings) if (part.role in roles if part.role else has_app)], has_app


def fresh_files(app: str) -> str:
    """Return the folder for restored files, which then replaces that of the app."""
    return f"{Layout(app).root}/shared.restored"


def files(app: str) -> Part:
    """Return the app's shared folder as a part, read and written by the app's user alone, because of links in it."""
    # It loads sqlite3, which `fab --list` does not need.
    from ..hostkit.app import shared_files
    from ..services import Restore

    shared, fresh = Layout(app).shared, fresh_files(app)
    as_app = ["runuser", "-u", app, "--"]
    remove = ["rm", "-rf", "--one-file-system", "--", fresh]
    restore = Restore(
        prepare=[remove, ["install", "-d", "-m", "0750", "-o", app, "-g", app, "--", fresh]],
        load=[*as_app, "tar", "--extract", "--preserve-permissions", "--file=-", f"--directory={fresh}"],
        swap=[],
        abandon=[remove],
    )
    program = inspect.getsource(shared_files)
    return Part(FILES, "", [*as_app, "python3", "-I", "-c", program, shared], restore)


def main_host(hosts: Sequence[Target]) -> Target:
    """Choose the host whose files and environment are saved: the primary one, else the first.

    :raises UsageError: no host runs the app.
    """
    found = primary(hosts)
    if found is None:
        raise UsageError("there is no host that runs the app; see `fab hosts`")
    return found


def beside(c: Context, settings: Settings, hosts: Sequence[Target], wanted: Sequence[Part]) -> list[Target]:
    """Find the hosts of the parts that are on none of these hosts: the first of each role."""
    if hosts[0].roles is ALL_ROLES:
        # A host given only with -H has its own services.
        return []
    there = {settings.machine(target.host) for target in hosts}
    found = {}
    for role in dict.fromkeys(part.role for part in wanted if part.role):
        target = of_role(c, settings, role)[0]
        if settings.machine(target.host) not in there:
            found[settings.machine(target.host)] = target
    return list(found.values())
