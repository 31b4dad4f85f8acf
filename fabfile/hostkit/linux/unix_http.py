"""HTTP over a Unix socket, as somebody who may be somebody else than root."""

from __future__ import annotations

import http.client
import socket
import struct

from . import system

# Process, user and group of who listens, see unix(7).
_CREDENTIALS = struct.Struct("3i")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float | None = None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path, self.timeout)


def connected(path: str, timeout: float | None, user: str | None = None) -> socket.socket:
    """A connection to a Unix socket.

    :param user: who connects, for the file system and for the other end; None: whoever this is.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        # With a timeout it does not wait: a listener that is busy is an error at once.
        with system.acting_as(user):
            connection.connect(path)
        if user is not None:
            _require_listener(connection, system.passwd(user).pw_uid)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_listener(connection: socket.socket, uid: int) -> None:
    """See that it is a user's own process that listens: another one may have taken the socket's name first.

    :raises OSError: it is not.
    """
    _, listener, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    if listener != uid:
        raise OSError(f"a process of the user with the id {listener} listens there, expected {uid}; remove the socket")
