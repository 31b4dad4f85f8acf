"""As much of PostgreSQL's protocol as a test needs: log in with a password (SCRAM, RFC 5802) and ask for one value."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from urllib.parse import urlsplit


def query(url: str, statement: str) -> str:
    """The first value that a statement gives; empty when it gives none.

    :raises AssertionError: the server refuses, with its words.
    """
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
        client = _Client(connection)
        client.log_in(where.username or "", where.password or "", where.path[1:])
        return client.query(statement)


class _Client:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")

    def _send(self, kind: bytes, body: bytes) -> None:
        self._connection.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _receive(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!ci", self._stream.read(5))
        body = self._stream.read(size - 4)
        assert kind != b"E", body.replace(b"\0", b" ").decode()
        return kind, body

    def log_in(self, user: str, password: str, database: str) -> None:
        self._send(b"", struct.pack("!i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode())
        kind, body = self._receive()
        assert (kind, body[:4]) == (b"R", struct.pack("!i", 10)), "it lets in without SCRAM"
        first = f"n=,r={secrets.token_hex(9)}"
        data = f"n,,{first}".encode()
        self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(data)) + data)
        challenge = self._receive()[1][4:].decode()
        fields = dict(field.split("=", 1) for field in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={fields['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{challenge},{final}".encode(), "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        self._send(b"p", f"{final},p={base64.b64encode(proof).decode()}".encode())
        while self._receive()[0] != b"Z":
            pass

    def query(self, statement: str) -> str:
        self._send(b"Q", statement.encode() + b"\0")
        value = ""
        while (message := self._receive())[0] != b"Z":
            if message[0] == b"D":
                (size,) = struct.unpack("!i", message[1][2:6])
                value = message[1][6 : 6 + size].decode()
        return value
