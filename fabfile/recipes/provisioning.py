"""Recipes of a host by its roles."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .. import recipes
from .._version import __version__
from ..errors import SettingsError
from ..hostkit.app import provisioned
from ..hostkit.app.layout import Layout
from ..hostkit.programs.certbot import FOLDER as CERTBOT
from ..inventory.processes import balances, processes
from ..rendering.template import Template
from ..resources import Directory, File, Package, Resource, Symlink, Validated
from ..resources.claimed import Claimed
from ..resources.own_user import OwnUser
from ..resources.services.password import KeptFile
from .app import app
from .backup import backups
from .deployers import deployers
from .hardening import hardening
from .nginx import nginx
from .python import python
from .services import services
from .supervisor import supervisor
from .system import system

if TYPE_CHECKING:
    from ..settings import Settings

_AT_A_PATH = (Directory, File, KeptFile, Symlink, Template)


def all_of(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Return everything that a host of these roles needs before the app can be deployed to it.

    :raises SettingsError: the roles of the host, or of the fleet, contradict each other.
    """
    # The firewall precedes what it guards, and sshd is closed to a user before that runs anything.
    resources = [*system(settings), *hardening(settings, roles)]
    if processes(settings, roles):
        resources += [*python(settings), *supervisor(settings), *app(settings)]
    if "web" in roles:
        resources += nginx(settings)
    if balances(settings, roles):
        if "web" in roles:
            raise SettingsError(_both(settings))
        resources += recipes.haproxy.haproxy(settings)
    its_services = services(settings, roles)
    resources += its_services
    if processes(settings, roles) or balances(settings, roles) or its_services:
        resources += deployers(settings)
    resources += backups(settings, roles)
    names = claimed(settings, resources, roles)
    # The version comes last: a provision that fails before leaves the one that did all of it.
    return [*([names] if names.paths or names.users else []), *together(resources), *_version()]


def _version() -> list[Resource]:
    """Record the version that provisioned the host."""
    folder, _, _ = provisioned.PATH.rpartition("/")
    return [
        Directory(folder, mode=0o700, owner="root", group="root"),
        File(provisioned.PATH, provisioned.record(__version__), mode=0o644, owner="root", group="root"),
    ]


def claimed(settings: Settings, resources: Iterable[Resource], roles: Container[str]) -> Claimed:
    """Claim the paths and users with the app's name, outside of hostsmith's own folders and names."""
    layout, found = Layout(settings.app), list(_members(resources))
    paths = [each.path for each in found if isinstance(each, _AT_A_PATH)]
    # Paths that a deploy or certbot creates later, or an earlier version did: a Redis of that name is taken over.
    paths += [f"/etc/redis/redis-{settings.app}.conf"] if "redis" in settings.services else []
    paths += [layout.boot_config] if processes(settings, roles) else []
    paths += [f"{CERTBOT}/renewal/{settings.app}.conf"] if settings.tls.is_issued else []
    name = re.compile(rf"(.*[-.@/])?{re.escape(settings.app)}(\.[a-z]+)?")
    # Names that begin with ours belong to nobody else.
    ours = re.compile(r"/([0-9]+-)?hostsmith[-./]")
    taken = [path for path in paths if name.fullmatch(path) and not ours.search(path)]
    users = tuple(each for each in found if isinstance(each, OwnUser))
    within = (layout.base,) if processes(settings, roles) else ()
    return Claimed(settings.app, tuple(dict.fromkeys(taken)), users, within)


def _members(resources: Iterable[Resource]) -> Iterator[Resource]:
    for resource in resources:
        yield from _members(resource.resources) if isinstance(resource, Validated) else [resource]


def _both(settings: Settings) -> str:
    names = ", ".join(str(entry.host) for entry in settings.roles["lb"] if "web" in settings.roles_of(entry.host))
    return (
        f"fabric.yaml: roles: found {names} in web and in lb, expected different hosts: "
        "nginx and HAProxy would both listen on port 80"
    )


def together(resources: Sequence[Resource]) -> list[Resource]:
    """Move the packages of all recipes into one resource at the start: one apt transaction for the host."""
    packages = [resource for resource in resources if isinstance(resource, Package) and not resource.notify]
    if not packages:
        return list(resources)
    names = dict.fromkeys(name for package in packages for name in package.names)
    max_age = min(package.max_age for package in packages)
    return [Package(*names, max_age=max_age), *(r for r in resources if r not in packages)]
