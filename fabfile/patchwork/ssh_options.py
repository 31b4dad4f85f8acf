"""Options of OpenSSH that match a Fabric Connection, with checked host keys.

They extend `ssh.openssh_options` for programs that a fabfile runs by hand: the user, the alias of the ssh_config, the
rules for host keys, and gateways with separate keys.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from fabric import Connection

from ..connection.ssh import openssh_options
from ..errors import PatchworkError
from ..openssh import client

# Settings of an ssh_config that identify the host; Fabric may have them from a file that ssh does not read.
_FROM_SSH_CONFIG = ("UserKnownHostsFile", "GlobalKnownHostsFile", "HostKeyAlias", "IdentitiesOnly")


def ssh_options(c: Connection, strict_host_keys: bool) -> list[str]:
    """Build the options of `ssh` for the host `c.original_host`. ssh uses the first value of each.

    An unknown host's key is added and a changed one refused, unless the ssh_config has a rule for this host;
    `strict_host_keys=False` turns checking off.

    :raises PatchworkError: the host's name looks like an option of ssh.
    """
    common = openssh_options(c)  # knows the sandbox's hosts and fills in their address and user: has to come first
    if c.host.startswith("-") or c.original_host.startswith("-"):
        raise PatchworkError(f"{c.original_host!r} is not a valid host name: ssh would read it as an option.")
    checking = _checking(c) if strict_host_keys else "no"
    options = ["-l", c.user, "-o", f"StrictHostKeyChecking={checking}"]
    # patchwork's rsync could ask for a passphrase on a terminal.
    options += ["-o", "BatchMode=no"]
    if c.host != c.original_host:
        options += ["-o", f"HostName={literal(c.host)}"]
    return [*_configuration(c), *options, *_gateway(c, strict_host_keys), *common, *_more(c)]


def _checking(c: Connection) -> str:
    """Choose how strictly the host's key is checked: as set in the ssh_config, even where only ssh can read it."""
    found = c.ssh_config.get("stricthostkeychecking") or client.options(c).get("stricthostkeychecking", "ask")
    # As `ssh -G` prints them. Without a rule in the ssh_config, a new host's key is added without a question.
    return {"true": "yes", "false": "no"}.get(found, found if "stricthostkeychecking" in c.ssh_config else "accept-new")


def literal(text: str) -> str:
    """Escape a text where ssh expands `%h` and the like."""
    return text.replace("%", "%%")


def _configuration(c: Connection) -> list[str]:
    if c.config.ssh_config_path:
        return ["-F", str(c.config.ssh_config_path)]
    return [] if c.config.load_ssh_configs else ["-F", "none"]


def _gateway(c: Connection, strict_host_keys: bool) -> list[str]:
    if c.gateway is False:  # "none", as opposed to None
        return ["-o", "ProxyCommand=none"]
    if not isinstance(c.gateway, Connection):
        return []
    # ProxyJump would not pass the keys and settings of the gateway's Connection. ssh uses the first of the two.
    inner = [literal(word) for word in ["ssh", *ssh_options(c.gateway, strict_host_keys)]]
    command = f"{shlex.join(inner)} -W '[%h]:%p' {shlex.quote(literal(c.gateway.original_host))}"
    return ["-o", f"ProxyCommand={command}"]


def _more(c: Connection) -> list[str]:
    settings = {
        name: _one_or_several(c.ssh_config[name.lower()]) for name in _FROM_SSH_CONFIG if name.lower() in c.ssh_config
    }
    # Translations of Paramiko's arguments to OpenSSH.
    if not c.connect_kwargs.get("allow_agent", True):
        settings["IdentityAgent"] = "none"
    if not c.connect_kwargs.get("look_for_keys", True) and c.connect_kwargs.get("key_filename"):
        settings["IdentitiesOnly"] = "yes"
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _one_or_several(value: str) -> str:
    """Restore the quotes that Paramiko removed around a single path with spaces."""
    return f'"{value}"' if " " in value and Path(value).expanduser().parent.is_dir() else value
