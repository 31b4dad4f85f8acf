"""SSH transport: paramiko's, without delays and with keepalive of the peer."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Container
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.message import Message
from paramiko.packet import Packetizer

from ..errors import HostKeyError

# Seconds.
KEEPALIVE = 15
DEAD_PEER_TIMEOUT = 45

# What paramiko logs is raised as an error, too; without a handler Python would print both.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _Listening(Packetizer):
    """Packetizer that records when the peer last sent something."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.heard = time.monotonic()

    def read_message(self) -> tuple[int, Message]:
        read = super().read_message()
        self.heard = time.monotonic()
        return read


class _Asking(AuthHandler):
    """Sends the authentication together with the service request, which saves a round trip for each key.

    Servers answer in order, and one without this service ends the connection (RFC 4253, section 10).
    """

    _asked = False

    def _request_auth(self) -> None:
        # First: the thread that reads the answer would otherwise send a second request if it is faster.
        self._asked = True
        super()._request_auth()  # type: ignore[misc]
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, m: Message) -> None:
        if not self._asked:
            super()._parse_service_accept(m)  # type: ignore[misc]


class _SshTransport(paramiko.Transport):
    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        # The algorithm of an RSA signature depends on the server's extensions, which may still be on their way.
        is_undecided = "rsa" in key.get_name() and not getattr(self, "server_extensions", None)
        is_secured = self.is_active() and getattr(self, "initial_kex_done", False)
        if event is not None or is_undecided or not is_secured:
            return super().auth_publickey(username, key, event)
        self.auth_handler = _Asking(self)
        answered = threading.Event()
        self.auth_handler.auth_publickey(username, key, answered)
        return self.auth_handler.wait_for_response(answered)


def make(
    sock: Any, *, host_key_types: Container[str], algorithms: Container[str] | None = None, **options: Any
) -> paramiko.Transport:
    """Make a transport over a socket or what paramiko accepts as one: a channel, or a ProxyCommand.

    :param host_key_types: types of the host's known keys, which are preferred.
    :param algorithms: host key algorithms to accept; None for all.
    :raises HostKeyError: paramiko supports none of them.
    """
    if isinstance(sock, socket.socket):
        _tune(sock)
    transport = _SshTransport(sock, packetizer_class=_Listening, **options)
    security = transport.get_security_options()
    kinds = [kind for kind in security.key_types if algorithms is None or kind in algorithms]
    if not kinds:
        raise HostKeyError(
            "HostKeyAlgorithms of the SSH configuration has no supported algorithm; "
            f"add one of {', '.join(security.key_types)}"
        )
    known = [kind for kind in kinds if _key_type(kind) in host_key_types]
    security.key_types = [*known, *(kind for kind in kinds if kind not in known)]
    return transport


def _key_type(algorithm: str) -> str:
    """Map a signature algorithm to its type of key."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _tune(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    # Half of a handshake's packets are small: without this they wait for the peer's delayed ACK, 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The kernel gives up a peer that no longer acknowledges (tcp(7)); not all systems support it.
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        sock.setsockopt(socket.IPPROTO_TCP, option, DEAD_PEER_TIMEOUT * 1000)


def keep_alive(transport: paramiko.Transport) -> None:
    """Send keepalives on an open transport, and close it when the peer is silent for too long.

    The kernel cannot detect a dead peer behind a gateway: it only sees the gateway. Paramiko's keepalive requests no
    answer. Like OpenSSH's ServerAliveInterval, this one does, and any data counts as a sign of life. Separate threads
    send and listen, because sending blocks when the peer no longer reads.
    """
    for loop in (_ask, _listen):
        threading.Thread(target=loop, args=(transport,), daemon=True).start()


def _ask(transport: paramiko.Transport) -> None:
    with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
        while transport.is_active():
            transport.join(KEEPALIVE)
            transport.global_request("keepalive@openssh.com")


def _listen(transport: paramiko.Transport) -> None:
    while transport.is_active():
        left = transport.packetizer.heard + DEAD_PEER_TIMEOUT - time.monotonic()  # type: ignore[attr-defined]
        if left > 0:
            transport.join(left)
        else:
            transport.close()
