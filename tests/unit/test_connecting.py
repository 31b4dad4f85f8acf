"""What is told of a place that accepts connections, and is no SSH server."""

from __future__ import annotations

import socket
import threading

import pytest
from fabric import Config, Connection
from hostsmith.connection.ssh import opened
from hostsmith.errors import ConnectError


def test_one_that_hangs_up_when_it_hears_who_we_are_has_closed_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            there, _ = listener.accept()
            with there, there.makefile("rb") as lines:
                lines.readline()

        thread = threading.Thread(target=hang_up)
        thread.start()
        c = Connection(f"nobody@127.0.0.1:{listener.getsockname()[1]}", config=Config(lazy=True))
        with pytest.raises(ConnectError, match="no SSH connection: it closed the connection; check the name and port"):
            opened(c)
        thread.join()
