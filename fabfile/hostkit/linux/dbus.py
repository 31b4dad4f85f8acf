"""Properties of systemd units over D-Bus, which is faster than systemctl."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import BinaryIO

SOCKET = "/run/systemd/private"
_UNIT, _PATH = "org.freedesktop.systemd1.Unit", "/org/freedesktop/systemd1/unit"
_TIMEOUT = 10.0
_CALL, _RETURN, _ERROR = 1, 2, 3


class BusError(Exception):
    """The answer is not as expected; systemctl may work instead."""


def properties(unit: str, names: Sequence[str], path: str = SOCKET) -> dict[str, str]:
    """Read textual or boolean properties of a unit, as `systemctl show` prints them.

    :param unit: its full name, such as "nginx.service".
    :raises OSError: nothing listens, or this user is not root.
    :raises BusError: a property is missing or of another type, or the answer is not D-Bus.
    """
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answers:
        connection.settimeout(_TIMEOUT)
        connection.connect(path)
        # Authentication takes the decimal user id, in hexadecimal.
        user = str(os.geteuid()).encode().hex().encode()
        connection.sendall(b"\0AUTH EXTERNAL " + user + b"\r\nBEGIN\r\n")
        if not (line := answers.readline(200)).startswith(b"OK "):
            raise BusError(f"found {line!r}, expected OK")
        calls = enumerate(names, start=1)
        connection.sendall(b"".join(_get(serial, f"{_PATH}/{_label(unit)}", name) for serial, name in calls))
        return {name: _answer(answers) for name in names}


def _label(name: str) -> str:
    """Escape a name for the path of an object, like systemd."""
    letters = [letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):02x}" for letter in name]
    return "".join([f"_{ord(name[0]):02x}" if name[0].isdigit() else letters[0], *letters[1:]])


def _get(serial: int, path: str, name: str) -> bytes:
    """Build the call that reads a property."""
    body = _text(_UNIT)
    body += bytes(-len(body) % 4) + _text(name)
    fields = b""
    # Path, interface, method, and the types of its arguments.
    for code, kind, value in ((1, "o", path), (2, "s", "org.freedesktop.DBus.Properties"), (3, "s", "Get")):
        fields += bytes(-len(fields) % 8) + struct.pack("<B", code) + _signature(kind) + _text(value)
    fields += bytes(-len(fields) % 8) + struct.pack("<B", 8) + _signature("g") + _signature("ss")
    head = struct.pack("<cBBBIII", b"l", _CALL, 0, 1, len(body), serial, len(fields))
    return head + fields + bytes(-len(fields) % 8) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def _signature(kinds: str) -> bytes:
    return struct.pack("<B", len(kinds)) + kinds.encode() + b"\0"


def _answer(answers: BinaryIO) -> str:
    """Read the value of the next reply; skip signals."""
    while True:
        head = _read(answers, 16)
        order = {b"l": "<", b"B": ">"}.get(head[:1])
        if order is None:
            raise BusError(f"found {head!r}, expected a message")
        size, _, fields = struct.unpack(f"{order}III", head[4:])
        _read(answers, fields + -fields % 8)
        body = _read(answers, size)
        if head[1] == _RETURN:
            return _value(body, order)
        if head[1] == _ERROR:
            raise BusError(body.decode(errors="replace"))


def _value(body: bytes, order: str) -> str:
    """Decode the text or boolean in the body of a reply: its type, and from the fourth byte on a number."""
    kind, number = body[:3], body[4:8]
    if len(number) == 4 and kind == b"\1s\0":
        return body[8 : 8 + struct.unpack(f"{order}I", number)[0]].decode(errors="replace")
    if len(number) == 4 and kind == b"\1b\0":
        return "yes" if struct.unpack(f"{order}I", number)[0] else "no"
    raise BusError(f"found {body!r}, expected a text or a boolean")


def _read(answers: BinaryIO, size: int) -> bytes:
    data = answers.read(size)
    if len(data) < size:
        raise BusError(f"found {len(data)} bytes, expected {size}")
    return data
