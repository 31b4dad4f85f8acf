"""systemd's socket: what is made of its answers. That it answers as systemctl does is tried on real hosts."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.linux import dbus

RETURN, ERROR, SIGNAL = 2, 3, 4
Serve = Callable[[bytes], str]


def message(kind: int, body: bytes, order: str = "<") -> bytes:
    """A message with one field in its header, as systemd sends it."""
    field = struct.pack(f"{order}B3sI", 5, b"\1u\0", 1)
    head = struct.pack(f"{order}cBBBIII", b"l" if order == "<" else b"B", kind, 1, 1, len(body), 7, len(field))
    return head + field + body


def text(value: str, order: str = "<") -> bytes:
    return b"\1s\0\0" + struct.pack(f"{order}I", len(value)) + value.encode() + b"\0"


def boolean(value: int, order: str = "<") -> bytes:
    return b"\1b\0\0" + struct.pack(f"{order}I", value)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server that sends these bytes to whoever comes, when it has been asked something."""
    path = f"{tmp_path}/private"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threads = []

        def start(answer: bytes) -> str:
            def run() -> None:
                connection, _ = listener.accept()
                welcome, end, rest = answer.partition(b"\r\n")
                with connection:
                    connection.recv(1000)
                    connection.sendall(welcome + end)
                    if rest:
                        connection.recv(1000)
                        connection.sendall(rest)

            threads.append(threading.Thread(target=run))
            threads[-1].start()
            return path

        yield start
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_and_yes_or_no_are_told_as_systemctl_prints_them(serve: Serve, order: str) -> None:
    answers = [text("active", order), text("", order), boolean(1, order), boolean(0, order)]
    path = serve(b"OK 0123\r\n" + b"".join(message(RETURN, answer, order) for answer in answers))
    names = ["ActiveState", "UnitFileState", "NeedDaemonReload", "CanReload"]
    assert list(dbus.properties("nginx.service", names, path).values()) == ["active", "", "yes", "no"]


def test_signals_that_come_between_the_answers_are_passed_over(serve: Serve) -> None:
    path = serve(b"OK 0\r\n" + message(SIGNAL, text("failed")) + message(RETURN, text("active")))
    assert dbus.properties("nginx.service", ["ActiveState"], path) == {"ActiveState": "active"}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"REJECTED EXTERNAL\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"OK 0\r\n",
        b"OK 0\r\n" + b"x" * 100,
        b"OK 0\r\n" + message(RETURN, text("active"))[:-4],
        b"OK 0\r\n" + message(ERROR, text("no such property")),
        b"OK 0\r\n" + message(RETURN, b""),
        b"OK 0\r\n" + message(RETURN, b"\1t\0\0\0\0\0\0" + bytes(8)),
    ],
)
def test_what_is_no_answer_is_told_so_that_systemctl_is_asked_instead(serve: Serve, answer: bytes) -> None:
    with pytest.raises((dbus.BusError, OSError)):
        dbus.properties("nginx.service", ["ActiveState"], serve(answer))


def test_a_host_without_that_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        dbus.properties("nginx.service", ["ActiveState"], f"{tmp_path}/private")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("nginx.service", "nginx_2eservice"),
        ("0conf.d.service", "_30conf_2ed_2eservice"),
        ("a_b-c@1:2.timer", "a_5fb_2dc_401_3a2_2etimer"),
    ],
)
def test_names_of_units_are_written_as_systemd_has_them_in_paths(name: str, label: str) -> None:
    assert dbus._label(name) == label
