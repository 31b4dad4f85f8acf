"""Waiting until nobody is connected any more, on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.app.draining import drain


@pytest.fixture(params=["web.sock", "with space.sock"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / request.param))
        server.listen()
        yield server


def connected(listener: socket.socket) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(listener.getsockname())
    return client


def test_nobody_is_connected(listener: socket.socket) -> None:
    assert drain(listener.getsockname(), 600) == 0


def test_a_socket_that_is_not_there_has_nobody(tmp_path: Path) -> None:
    assert drain(f"{tmp_path}/none.sock", 600) == 0


def test_those_being_served_and_those_waiting_to_be_accepted_are_counted(listener: socket.socket) -> None:
    with connected(listener), connected(listener), connected(listener):
        served, _ = listener.accept()
        with served:
            assert drain(listener.getsockname(), 0) == 3


def test_other_sockets_do_not_count(listener: socket.socket, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{listener.getsockname()}.other")
        other.listen()
        with connected(other):
            assert drain(listener.getsockname(), 600) == 0


def test_it_ends_when_the_last_one_is_gone(listener: socket.socket) -> None:
    first, second = connected(listener), connected(listener)
    served = [listener.accept()[0] for _ in range(2)]
    left: list[int] = []
    waiting = threading.Thread(target=lambda: left.append(drain(listener.getsockname(), 600)))
    waiting.start()
    for end in (first, served[0]):
        end.close()
    assert left == []
    for end in (second, served[1]):
        end.close()
    waiting.join(30)
    assert left == [0]
