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
from paramiko.message import Message
from paramiko.packet import Packetizer

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


def make(sock: Any, *, host_key_types: Container[str], **options: Any) -> paramiko.Transport:
    """A transport over a socket, or over what paramiko takes for one: a channel, or a ProxyCommand.

    :param host_key_types: the types of the keys known of the host, which it is asked to show one of.
    """
    if isinstance(sock, socket.socket):
        _tune(sock)
    transport = paramiko.Transport(sock, packetizer_class=_Listening, **options)
    security = transport.get_security_options()
    known = [kind for kind in security.key_types if _key_type(kind) in host_key_types]
    security.key_types = [*known, *(kind for kind in security.key_types if kind not in known)]
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
