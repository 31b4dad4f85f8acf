"""SSH connections: Fabric's, with host keys checked, time-outs, sandbox hosts by name, and one kept open per host."""

from __future__ import annotations

import atexit
import base64
import fcntl
import hashlib
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from fabric import Connection

from .errors import ConnectError, HostKeyError
from .settings.fabric_config import project_folder

if TYPE_CHECKING:
    from fabric import Config

    from .hosts import Host

KNOWN_HOSTS = "~/.ssh/known_hosts"
# Seconds. A host that is down should cost seconds; Fabric alone would wait as long as TCP does.
CONNECT_TIMEOUT = 10
AUTH_TIMEOUT = 30
KEEPALIVE = 15
DEAD_PEER_TIMEOUT = 45

_open: dict[tuple[str, str, int], Connection] = {}


def to(host: Host, config: Config) -> Connection:
    """A connection to a host, not open yet.

    :param config: Fabric's configuration, with the user's keys, gateway and SSH config.
    """
    return Connection(config=config, **host.connect_kwargs())


def opened(c: Connection) -> Connection:
    """The same connection, open, with host keys checked; one to the same place that is open already is used again.

    :raises ConnectError: the host cannot be reached, or does not let us in.
    """
    if c.is_connected:
        return c
    secure(c)
    key = (c.user, c.host, c.port)
    if key in _open and _open[key].is_connected:
        c.transport, c.client = _open[key].transport, _open[key].client
        return c
    _connect(c)
    _open[key] = c
    return c


def secure(c: Connection) -> None:
    """Give a connection that is not open yet our rules: Fabric's own accept any host key, a changed one too."""
    known_hosts = _use_sandbox(c)
    if known_hosts is None:
        own = Path(KNOWN_HOSTS).expanduser()
        for path in (Path("/etc/ssh/ssh_known_hosts"), own):
            if path.exists():
                c.client.load_system_host_keys(str(path))
        c.client.set_missing_host_key_policy(_Remember(own))
    else:
        c.client.load_system_host_keys(known_hosts)
        c.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    if c.connect_timeout is None and "timeout" not in c.connect_kwargs:
        c.connect_timeout = CONNECT_TIMEOUT
    c.connect_kwargs.setdefault("banner_timeout", AUTH_TIMEOUT)
    c.connect_kwargs.setdefault("auth_timeout", AUTH_TIMEOUT)
    if isinstance(c.gateway, Connection) and not c.gateway.is_connected:
        secure(c.gateway)


def _use_sandbox(c: Connection) -> str | None:
    """Fill in address, user and key of a host of the project's sandbox.

    :returns: its known_hosts file; None when the host is none of the sandbox's.
    """
    from .sandbox import lookup

    target = lookup(project_folder(c.config), c.original_host)
    if target is None:
        return None
    if c.user == c.config.user:
        c.user = target.user
    c.host = target.address
    c.connect_kwargs = {**c.connect_kwargs, "key_filename": target.key_filename, "look_for_keys": False}
    return target.known_hosts


def _connect(c: Connection) -> None:
    where = f"{c.user}@{c.host}" + (f":{c.port}" if c.port != 22 else "")
    try:
        c.open()
    except paramiko.BadHostKeyException as error:
        raise HostKeyError(
            f"{where}: the host's key has CHANGED: found {fingerprint(error.key)}, "
            f"expected {fingerprint(error.expected_key)} as remembered in {KNOWN_HOSTS}.\n"
            "Someone may be listening in, or the server was installed anew. If you know that it was, forget the old "
            f"key with: ssh-keygen -R {_known_name(c)}"
        ) from None
    except paramiko.AuthenticationException as error:
        raise ConnectError(
            f"{where}: the server does not let us in ({error}); "
            "name the right user (user@host), or the key with `fab -i KEY`, or add yours to the host's authorized_keys"
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        if re.fullmatch(r"sandbox-\d+", c.host):
            raise ConnectError(f"{c.host}: there is no such sandbox host here; `fab sandbox.up` boots it") from None
        raise ConnectError(
            f"{where}: no SSH connection: {_reason(error)}; check the name and port, and try `ssh {where}`"
        ) from None
    c.transport.set_keepalive(KEEPALIVE)
    _detect_dead_peer(c)


def _reason(error: Exception) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(str(cause) for cause in error.errors.values())
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT} s"
    return str(error) or type(error).__name__


def _detect_dead_peer(c: Connection) -> None:
    """Have the kernel give up a connection whose keepalives are no longer acknowledged (tcp(7), TCP_USER_TIMEOUT)."""
    sock = c.transport.sock
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, DEAD_PEER_TIMEOUT * 1000)


def openssh_options(c: Connection) -> list[str]:
    """The options with which OpenSSH's `ssh` reaches the host of a connection as the connection does."""
    known_hosts = _use_sandbox(c)
    keys = c.connect_kwargs.get("key_filename") or []
    options = [f"-p{c.port}", "-oBatchMode=yes", f"-oConnectTimeout={c.connect_timeout or CONNECT_TIMEOUT}"]
    for key in [keys] if isinstance(keys, str) else keys:
        options += ["-i", key]
    if known_hosts is not None:
        options.append(f"-oUserKnownHostsFile={known_hosts}")
    if isinstance(c.gateway, Connection):
        user = f"{c.gateway.user}@" if c.gateway.user else ""
        options.append(f"-oProxyJump={user}{c.gateway.host}:{c.gateway.port}")
    elif c.gateway:
        options.append(f"-oProxyCommand={c.gateway}")
    return options


def label(c: Connection) -> str:
    """A connection's host as one would write it after `-H`."""
    user = f"{c.user}@" if c.user != c.config.user else ""
    host = f"[{c.original_host}]" if ":" in c.original_host else c.original_host
    return user + host + (f":{c.port}" if c.port != 22 else "")


def fingerprint(key: paramiko.PKey) -> str:
    """A key's type and SHA-256 fingerprint, as OpenSSH prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _known_name(c: Connection) -> str:
    return str(c.host) if c.port == 22 else f"[{c.host}]:{c.port}"


class _Remember(paramiko.MissingHostKeyPolicy):
    """Accept the key of a host that is seen for the first time, show it, and remember it where ssh does.

    The line is appended: paramiko's own saving would write the whole file anew and lose what it does not understand.
    """

    def __init__(self, path: Path, say: Callable[[str], Any] = sys.stderr.write) -> None:
        self._path, self._say = path, say

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(fd, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            content = file.read()
            newline = b"" if not content or content.endswith(b"\n") else b"\n"
            file.write(newline + f"{hostname} {key.get_name()} {key.get_base64()}\n".encode())
        self._say(f"{hostname}: a new host; its key {fingerprint(key)} is now remembered in {KNOWN_HOSTS}\n")


@atexit.register
def close_all() -> None:
    """Close the connections that were kept open."""
    while _open:
        _open.popitem()[1].close()
