"""SSH connections with checked host keys and time-outs, shared per host."""

from __future__ import annotations

import atexit
import itertools
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import paramiko
from fabric import Connection

from ..errors import ConnectError
from ..openssh import client, host_keys
from ..openssh.host import bracketed
from ..openssh.host_keys import HostKeys, Rules
from ..settings.fabric_config import project_folder
from . import transport

# Seconds. A host that is down should cost seconds; Fabric alone would wait as long as TCP does.
CONNECT_TIMEOUT = 10
AUTH_TIMEOUT = 30
CHANNEL_TIMEOUT = 30

# User, host, port, route (the place of a gateway, or a ProxyCommand), and the rules for the host key.
_Place = tuple[Any, ...]
# One for each place, also while it is being opened: later callers wait for the first.
_open: dict[_Place, Future[Connection]] = {}
_open_lock = threading.Lock()


def opened(c: Connection) -> Connection:
    """Open a connection with host keys checked; an open one to the same place is reused.

    It is thread-safe. Threads that want the same place share one connection, or one error.

    :raises ConnectError: the host is unreachable, or authentication failed.
    """
    if c.is_connected:
        return c
    secure(c)
    shared, is_ours = _reserve(_place(c))
    if is_ours:
        try:
            _connect(c)
        except BaseException as error:
            shared.set_exception(error)
            raise
        shared.set_result(c)
    there = shared.result()
    c.transport, c.client = there.transport, there.client
    return c


def probe(c: Connection) -> str:
    """Connect once more to the host of an open connection, with the same credentials.

    :returns: why that failed; empty when it succeeded.
    """
    fresh = Connection(c.original_host, c.user, c.port, config=c.config, gateway=c.gateway)
    fresh.connect_timeout, fresh.connect_kwargs = c.connect_timeout, dict(c.connect_kwargs)
    try:
        secure(fresh)
        _connect(fresh)
        fresh.transport.open_session(timeout=CHANNEL_TIMEOUT).close()
    except ConnectError as error:
        return str(error)
    except (paramiko.SSHException, OSError, EOFError) as error:
        return f"{_where(c)}: no session on a new connection: {_reason(c, error)}"
    finally:
        fresh.close()
    return ""


def _reserve(place: _Place) -> tuple[Future[Connection], bool]:
    """Return the shared connection to a place, and whether the caller has to open it."""
    with _open_lock:
        shared = _open.get(place)
        if shared and not (shared.done() and (shared.exception() or not shared.result().is_connected)):
            return shared, False
        _open[place] = Future()
        return _open[place], True


def _place(c: Connection) -> _Place:
    """Build the key of connections that can be shared: destination, route and host key rules."""
    way = _place(c.gateway) if isinstance(c.gateway, Connection) else c.gateway or None
    return c.user, c.host, c.port, way, c.client._policy.rules


def secure(c: Connection) -> None:
    """Set host key rules and time-outs of a connection; Fabric itself accepts even changed host keys."""
    sandbox = _use_sandbox(c)
    rules = Rules(host_keys.name(c.host, c.port), (Path(sandbox),)) if sandbox else _rules_of_ssh(c)
    policy = HostKeys(rules)
    c.client.set_missing_host_key_policy(policy)
    # A copy: values from Fabric's configuration are shared with other connections.
    kwargs = dict(c.connect_kwargs)
    timeout = kwargs.pop("timeout", CONNECT_TIMEOUT)
    if c.connect_timeout is None:
        c.connect_timeout = timeout
    limits = {"banner_timeout": AUTH_TIMEOUT, "auth_timeout": AUTH_TIMEOUT, "channel_timeout": CHANNEL_TIMEOUT}
    factory = partial(transport.make, host_key_types=policy.types, algorithms=rules.algorithms)
    c.connect_kwargs = {**limits, "transport_factory": factory, **kwargs}
    _follow_proxy_jump(c)
    if isinstance(c.gateway, Connection):
        secure(c.gateway)
        # Fabric opens a connection to the gateway for each host behind it and then waits an hour for it.
        c.open_gateway = partial(_tunnel, c)
    elif c.gateway:
        # Paramiko does not notice the end of the command and spins.
        c.open_gateway = partial(_proxy, c)


def _rules_of_ssh(c: Connection) -> Rules:
    """Read ssh's rules for the host key of a connection."""
    _refuse_half_read(c)
    options = client.options(c)
    if c.host == c.ssh_config.get("hostname", c.original_host):
        # paramiko does not read all options by which ssh finds the name.
        c.host = options.get("hostname", c.host)
    return Rules.of(c.host, c.port, options)


def _refuse_half_read(c: Connection) -> None:
    """Refuse a destination that differs from ssh's, when Fabric has read the SSH configuration by itself.

    :raises ConnectError: Fabric missed an option that only ssh reads, and the Connection does not set it.
    """
    read, whole = c.ssh_config, client.whole(c.config, c.original_host, c.ssh_config)
    if whole == read:
        return
    is_default = {
        "port": str(c.port) == str(read.get("port", c.config.port)) != whole.get("port"),
        "user": c.user == read.get("user", c.config.user) != whole.get("user"),
        "proxyjump": c.gateway == c.get_gateway(),
        "proxycommand": c.gateway == c.get_gateway(),
    }
    for option, is_meant in is_default.items():
        if is_meant and whole.get(option) != read.get(option):
            raise ConnectError(
                f"{c.original_host}: found {option} {whole.get(option, 'none')} in a part of the SSH configuration "
                "that only ssh reads (Include, Match, CanonicalizeHostname); set it on the Connection, or write it "
                "into ~/.ssh/config itself"
            )


def _use_sandbox(c: Connection) -> str | None:
    """Fill in address, user and key of a host of the project's sandbox.

    :returns: its known_hosts file; None for other hosts.
    """
    from ..sandbox import lookup

    target = lookup(project_folder(c.config), c.original_host)
    if target is None:
        return None
    if c.user == c.config.user:
        c.user = target.user
    c.host = target.address
    c.connect_kwargs = {**c.connect_kwargs, "key_filename": target.key_filename, "look_for_keys": False}
    return target.known_hosts


def _follow_proxy_jump(c: Connection) -> None:
    """Connect through the hops of ProxyJump first to last, and through none for `none`.

    Fabric uses the last one first: https://github.com/fabric/fabric/issues/2203
    """
    jump = c.ssh_config.get("proxyjump", "").split(",")
    named = [c.derive_shorthand(hop)["host"] for hop in jump]
    hops = list(itertools.islice(_hops(c), len(named)))
    if [hop.original_host for hop in hops] != named:
        return  # the gateway was set by other means
    if named == ["none"]:
        c.gateway = False
    elif len(hops) > 1:
        hops[0].gateway = hops[0].get_gateway()
        for before, after in itertools.pairwise([*hops, c]):
            after.gateway = before


def _hops(c: Connection) -> Iterator[Connection]:
    """Yield the gateways of a connection, nearest to its host first."""
    while isinstance(c.gateway, Connection):
        c = c.gateway
        yield c


def _tunnel(c: Connection) -> paramiko.Channel:
    """Open a channel to a host through its gateway; the connection to the gateway is shared.

    :raises ConnectError: the gateway is unreachable, or cannot reach the host.
    """
    try:
        gateway = opened(c.gateway)
    except ConnectError as error:
        raise type(error)(f"{_where(c)}: through gateway {error}") from None
    try:
        way: paramiko.Channel = gateway.transport.open_channel(
            "direct-tcpip", (c.host, c.port), ("", 0), timeout=c.connect_timeout
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise ConnectError(
            f"{_where(c)}{_way(c)}: no connection from there to {c.host} port {c.port}: "
            f"{_reason(c, error)}; check the name and port, and that the gateway may forward (AllowTcpForwarding)"
        ) from None
    return way


def _proxy(c: Connection) -> socket.socket:
    """Start a ProxyCommand, which lives as long as its socket is open."""
    words = paramiko.SSHConfig.from_text(f"Host *\nPort {c.port}\nUser {c.user}\nProxyCommand {c.gateway}")
    ours, theirs = socket.socketpair()
    with theirs:
        # A separate session: on Ctrl-C the connection is still needed to stop the host cleanly.
        process = subprocess.Popen(
            shlex.split(words.lookup(c.host)["proxycommand"]),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()
    return ours


def _connect(c: Connection) -> None:
    where = _where(c)
    try:
        _open_or_close(c)
    except paramiko.AuthenticationException as error:
        raise ConnectError(
            f"{where}: authentication failed ({error}); "
            "name the right user (user@host), or the key with `fab -i KEY`, or add yours to the host's authorized_keys"
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        if re.fullmatch(r"sandbox-\d+", c.host):
            raise ConnectError(f"{c.host}: there is no such sandbox host here; `fab sandbox.up` boots it") from None
        raise ConnectError(
            f"{where}{_way(c)}: no SSH connection: {_reason(c, error)}; check the name and port, and try `ssh {where}`"
        ) from None
    transport.keep_alive(c.transport)


def _open_or_close(c: Connection) -> None:
    """Open a connection; close it on failure, since paramiko's thread would go on waiting."""
    try:
        c.open()
    except BaseException:
        c.client.close()
        raise


def _where(c: Connection) -> str:
    return f"{c.user}@{c.host}" + (f":{c.port}" if c.port != 22 else "")


def _way(c: Connection) -> str:
    if isinstance(c.gateway, Connection):
        return f": through gateway {_where(c.gateway)}"
    return f": through the command `{c.gateway}`" if c.gateway else ""


def _reason(c: Connection, error: Exception) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(str(cause) for cause in error.errors.values())
    # The two texts are paramiko's for a time-out of the host and of a gateway.
    if isinstance(error, TimeoutError) or str(error) in ("No existing session", "Timeout opening channel."):
        return f"no answer within {c.connect_timeout} s"
    if isinstance(error, paramiko.ChannelException):
        return error.text
    # When the connection ends before the first line, paramiko reports that it could not read that line, and the
    # system reports a reset when sent data is left unread.
    if any(isinstance(end, (EOFError, ConnectionResetError, BrokenPipeError)) for end in (error, error.__context__)):
        return "it closed the connection"
    return str(error) or type(error).__name__


def openssh_options(c: Connection) -> list[str]:
    """Build the options with which OpenSSH's `ssh` connects as this connection does."""
    sandbox = _use_sandbox(c)
    if sandbox is None:
        _refuse_half_read(c)
    _follow_proxy_jump(c)
    keys = c.connect_kwargs.get("key_filename") or []
    options = [f"-p{c.port}", "-oBatchMode=yes", f"-oConnectTimeout={c.connect_timeout or CONNECT_TIMEOUT}"]
    for key in [keys] if isinstance(keys, str) else keys:
        options += ["-i", key]
    if sandbox is not None:
        options.append(f"-oUserKnownHostsFile={sandbox}")
    if isinstance(c.gateway, Connection):
        user = f"{c.gateway.user}@" if c.gateway.user else ""
        options.append(f"-oProxyJump={user}{c.gateway.host}:{c.gateway.port}")
    elif c.gateway:
        options.append(f"-oProxyCommand={c.gateway}")
    return options


def label(c: Connection) -> str:
    """Format a connection's host as written after `-H`."""
    user = f"{c.user}@" if c.user != c.config.user else ""
    return user + bracketed(c.original_host) + (f":{c.port}" if c.port != 22 else "")


@atexit.register
def close_all() -> None:
    """Close the shared connections."""
    while _open:
        _, shared = _open.popitem()
        if shared.done() and not shared.exception():
            shared.result().close()
