"""How we log in to a server, and what is told of a place that accepts connections, and is no SSH server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import paramiko
import pytest
from fabric import Config, Connection
from hostsmith.connection import transport
from hostsmith.connection.ssh import opened
from hostsmith.errors import ConnectError


def hear(there: socket.socket) -> None:
    with there.makefile("rb") as lines:
        lines.readline()


def leave_unread(there: socket.socket) -> None:
    """What was sent to it is there, and is never read: the system then says that the connection was reset."""
    assert there.recv(1, socket.MSG_PEEK)


@pytest.mark.parametrize("how", [hear, leave_unread])
def test_one_that_hangs_up_when_it_hears_who_we_are_has_closed_the_connection(
    how: Callable[[socket.socket], None],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            there, _ = listener.accept()
            with there:
                how(there)

        thread = threading.Thread(target=hang_up)
        thread.start()
        c = Connection(f"nobody@127.0.0.1:{listener.getsockname()[1]}", config=Config(lazy=True))
        with pytest.raises(ConnectError, match="no SSH connection: it closed the connection; check the name and port"):
            opened(c)
        thread.join()


class Door(paramiko.ServerInterface):
    """Lets in whoever has a key; remembers which it was shown."""

    def __init__(self) -> None:
        self.key = paramiko.ECDSAKey.generate()
        self.shown: list[paramiko.PKey] = []

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.shown.append(key)
        return paramiko.AUTH_SUCCESSFUL if key == self.key else paramiko.AUTH_FAILED


@pytest.fixture
def ours() -> Iterator[tuple[paramiko.Transport, Door]]:
    """A transport to a server, before it has logged in."""
    here, there = socket.socketpair()
    door, server = Door(), paramiko.Transport(there)
    server.add_server_key(paramiko.ECDSAKey.generate())
    server.start_server(threading.Event(), door)
    client = transport.make(here, host_key_types=())
    client.start_client(timeout=30)
    yield client, door
    client.close()
    server.close()


def test_each_key_is_shown_once_however_fast_the_server_answers(
    ours: tuple[paramiko.Transport, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was shown twice would be refused twice, the second time in place of the key after it."""
    client, door = ours
    ask, hear, heard = transport.AuthHandler._request_auth, transport._Asking._parse_service_accept, threading.Event()

    def ask_and_hear_at_once(handler: transport.AuthHandler) -> None:
        heard.clear()
        ask(handler)
        assert heard.wait(30)

    def tell(handler: transport._Asking, answer: paramiko.Message) -> None:
        hear(handler, answer)
        heard.set()

    monkeypatch.setattr(transport.AuthHandler, "_request_auth", ask_and_hear_at_once)
    monkeypatch.setattr(transport._Asking, "_parse_service_accept", tell)
    refused = paramiko.ECDSAKey.generate()
    with pytest.raises(paramiko.AuthenticationException):
        client.auth_publickey("somebody", refused)
    client.auth_publickey("somebody", door.key)
    assert client.is_authenticated()
    assert door.shown == [refused, door.key]
