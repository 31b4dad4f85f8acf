"""HTTP over a Unix socket, as root or another user."""

from __future__ import annotations

import http.client
import socket
import struct

from . import system

# Process, user and group of the listener, see unix(7).
_CREDENTIALS = struct.Struct("3i")


class UnixConnection(http.client.HTTPConnection):
    """HTTP connection over a Unix socket."""

    def __init__(self, path: str, timeout: float | None = None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path, self.timeout)


def connected(path: str, timeout: float | None, user: str | None = None) -> socket.socket:
    """Connect to a Unix socket.

    :param user: connect as this user, for the file system and the other end; None: as the current user.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        # With a timeout, a busy listener is an error at once.
        with system.acting_as(user):
            connection.connect(path)
        if user is not None:
            _require_listener(connection, system.passwd(user).pw_uid)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_listener(connection: socket.socket, uid: int) -> None:
    """Refuse a listener of another user, who may have taken the socket's name first.

    :raises OSError: the listener is another user's.
    """
    _, listener, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    if listener != uid:
        raise OSError(f"a process of user id {listener} is listening there, expected {uid}; remove the socket")
