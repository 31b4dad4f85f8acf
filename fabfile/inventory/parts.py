"""Parts of a backup, by the commands that write and read each, and the hosts that they are on."""

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
    """What one command writes, and how it comes back.

    :param role: whose host it is on; empty for the app's own.
    :param dump: prints it.
    :param restore: how it is put back; None when it cannot be.
    """

    name: str
    role: str
    dump: Argv
    restore: Restore | None


def parts(settings: Settings) -> list[Part]:
    """The parts of an app: its services, as far as they keep anything, and its files."""
    # They load pydantic, and `fab --list` does without.
    from .placement import services

    found = [files(settings.app)]
    for service in services(settings):
        # What lies below the app's shared folder is in the files.
        if service.name != FILES and (dump := service.backup()):
            role = service.home if settings.roles.get(service.home) else ""
            found.append(Part(service.name, role, dump, service.restore()))
    return found


def parts_on(settings: Settings, roles: Container[str]) -> tuple[list[Part], bool]:
    """The parts that are on a host of these roles, and whether it has an environment: those that run the app."""
    has_app = bool(processes(settings, roles))
    return [part for part in parts(settings) if (part.role in roles if part.role else has_app)], has_app


def fresh_files(app: str) -> str:
    """The folder into which files are put back, and that then takes the place of the app's own."""
    return f"{Layout(app).root}/shared.restored"


def files(app: str) -> Part:
    """The app's shared folder, read and written by the app's user alone, whatever links are in it."""
    # It loads sqlite3, which `fab --list` does without.
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
    """The host whose files and environment are kept: the one that does for all what is done once.

    :raises UsageError: none runs the app.
    """
    found = primary(hosts)
    if found is None:
        raise UsageError("found no host that runs the app, expected one; see `fab hosts`")
    return found


def beside(c: Context, settings: Settings, hosts: Sequence[Target], wanted: Sequence[Part]) -> list[Target]:
    """The hosts of the parts that are on none of these hosts: the first of each role."""
    if hosts[0].roles is ALL_ROLES:
        # One that is given with -H has services of its own.
        return []
    there = {settings.machine(target.host) for target in hosts}
    found = {}
    for role in dict.fromkeys(part.role for part in wanted if part.role):
        target = of_role(c, settings, role)[0]
        if settings.machine(target.host) not in there:
            found[settings.machine(target.host)] = target
    return list(found.values())
