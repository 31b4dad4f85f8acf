"""Access for deployers: a user, its keys and its sudo rule.

Their keys run one command, the gate, and sudo lets the user run only this command; see `agent/gate.py`.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from ..connection import pack
from ..errors import SettingsError
from ..resources import Absent, Directory, File, Package, Resource, Validated
from ..resources.own_user import OwnUser

if TYPE_CHECKING:
    from ..settings import Settings

_HOMES = "/var/lib/hostsmith-deployers"


def deployers(settings: Settings) -> list[Resource]:
    """Give access to the keys in the settings, and revoke it for all others."""
    home, rights = f"{_HOMES}/{settings.app}", f"/etc/sudoers.d/hostsmith-{settings.app}"
    # Owned by root, so that no deployer can give access to others.
    keys = f"{home}/.ssh/authorized_keys"
    if not settings.deployers.keys:
        return [Absent(rights), Absent(keys)]
    user = settings.deployers.user
    if user == settings.app:
        raise SettingsError(
            f"fabric.yaml: deployers.user: found {user!r}, which is the app's own user, expected a user for deployers "
            f"alone, such as deploy-{user[:24]}"
        )
    return [
        Package("sudo"),
        *gate(),
        OwnUser(
            *(user, f"deployers of {settings.app}", home, "/bin/sh", "*", rights),
            setting=f"deployers: {{user: deploy-{settings.app}}}",
        ),
        Directory(_HOMES, mode=0o755, owner="root", group="root"),
        Directory(home, mode=0o755, owner="root", group="root"),
        Directory(f"{home}/.ssh", mode=0o755, owner="root", group="root"),
        File(keys, authorized_keys(settings), mode=0o644, owner="root", group="root"),
        Validated(
            f"rights of {user}",
            (File(rights, sudoers(settings), mode=0o440, owner="root", group="root"),),
            validate=["visudo", "-c", "-q", "-f", rights],
        ),
    ]


def gate() -> list[Resource]:
    """Install the gate, which all apps share: the agent, and the command that starts it."""
    return [*installed_agent(), File(pack.GATE, pack.GATE_SCRIPT, mode=0o755, owner="root", group="root")]


def installed_agent() -> list[Resource]:
    """Install the agent on the host, for programs that start there without us."""
    folder = pack.GATE_CODE.rpartition("/")[0]
    return [
        Directory(folder, mode=0o755, owner="root", group="root"),
        File(pack.GATE_CODE, pack.agent_zip(zipfile.ZIP_STORED), mode=0o644, owner="root", group="root"),
    ]


def authorized_keys(settings: Settings) -> str:
    """Write the file of keys: each runs the gate, whatever the requested command, and nothing else of SSH."""
    command = f'restrict,command="sudo -n -- {pack.GATE} {settings.app}"'
    lines = [f"{command} {key}\n" for key in settings.deployers.keys]
    return "".join(["# Written by hostsmith from the setting `deployers`.\n", *lines])


def sudoers(settings: Settings) -> str:
    """Write the sudo rule: one command as root, with fixed arguments and sudo's own environment."""
    user = settings.deployers.user
    return (
        f"# Written by hostsmith: what the deployers of {settings.app} may do.\n"
        f"Defaults:{user} env_reset, !setenv, !requiretty\n"
        f"{user} ALL=(root) NOPASSWD: {pack.GATE} {settings.app}\n"
    )
