"""What carries an SSH connection: paramiko's transport, made to send at once and to end when its peer is gone."""

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

# What paramiko logs comes to the user as an error of ours; where logging is not set up, Python would print both.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _Listening(Packetizer):
    """Remembers when the peer was heard last."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.heard = time.monotonic()

    def read_message(self) -> tuple[int, Message]:
        read = super().read_message()
        self.heard = time.monotonic()
        return read


class _Asking(AuthHandler):
    """Asks to be let in together with asking whether it may ask, which saves a round trip for each key.

    Servers answer what they get in its order, and one that has not this service ends the connection (RFC 4253,
    section 10).
    """

    _asked = False

    def _request_auth(self) -> None:
        # First: another thread reads the answer, and would ask once more if it was the faster one.
        self._asked = True
        super()._request_auth()  # type: ignore[misc]
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, m: Message) -> None:
        if not self._asked:
            super()._parse_service_accept(m)  # type: ignore[misc]


class _Transport(paramiko.Transport):
    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        # By which algorithm an RSA key signs depends on what the server has told, and that may be on its way.
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
    """A transport over a socket, or over what paramiko takes for one: a channel, or a ProxyCommand.

    :param host_key_types: the types of the keys known of the host, which it is asked to show one of.
    :param algorithms: those by which it may prove its key; None for all.
    :raises HostKeyError: paramiko has none of them.
    """
    if isinstance(sock, socket.socket):
        _tune(sock)
    transport = _Transport(sock, packetizer_class=_Listening, **options)
    security = transport.get_security_options()
    kinds = [kind for kind in security.key_types if algorithms is None or kind in algorithms]
    if not kinds:
        raise HostKeyError(
            "HostKeyAlgorithms of the SSH configuration has none that can be used here; "
            f"add one of {', '.join(security.key_types)}"
        )
    known = [kind for kind in kinds if _key_type(kind) in host_key_types]
    security.key_types = [*known, *(kind for kind in kinds if kind not in known)]
    return transport


def _key_type(algorithm: str) -> str:
    """The type of key that an algorithm signs with."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _tune(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    # Half of what a handshake sends is small: without this it waits for the peer's delayed ACK, 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Have the kernel give up a peer that no longer acknowledges (tcp(7)); not every system can.
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        sock.setsockopt(socket.IPPROTO_TCP, option, DEAD_PEER_TIMEOUT * 1000)


def keep_alive(transport: paramiko.Transport) -> None:
    """Keep a transport that is open from falling asleep, and end it when nothing is heard of the peer for long.

    The kernel cannot tell of a peer that is behind a gateway: it only knows the gateway. And paramiko's own keepalive
    asks for no answer. As OpenSSH's ServerAliveInterval does, this asks for one, and takes anything that comes for a
    sign of life. One thread asks and another listens, because asking blocks when the peer takes nothing any more.
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
