"""The health check: asked over real Unix sockets, with answers that say what to do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostsmith.hostkit.app.health import HealthCheck
from hostsmith.resources import ResourceError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each connection to a listening socket with the same bytes, or holds it, and keeps what was asked."""

    def __init__(self, listener: socket.socket, answer: bytes) -> None:
        self.answer, self.asked = answer, b""
        self._listener, self._held = listener, []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            data = connection.recv(65536)
            if not data:
                connection.close()
                return
            self.asked = data
            if self.answer == b"slow":
                self._held.append(connection)
                continue
            connection.sendall(self.answer)
            connection.close()

    def stop(self) -> None:
        with socket.socket(self._listener.family) as last:
            last.connect(self._listener.getsockname())
        self._thread.join()
        for connection in self._held:
            connection.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[bytes], Server]]:
    servers = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/web.sock")
        listener.listen()

        def start(answer: bytes) -> Server:
            servers.append(Server(listener, answer))
            return servers[-1]

        yield start
        for server in servers:
            server.stop()


def check(statuses: tuple[tuple[int, int], ...] = ((200, 299),), timeout: float = 30.0) -> HealthCheck:
    return HealthCheck("/healthz?full=1", "www.example.com", statuses, timeout, request_timeout=0.2)


def test_well(serve: Callable[[bytes], Server], tmp_path: Path) -> None:
    server = serve(OK)
    assert check().ask_socket(f"{tmp_path}/web.sock") is None
    assert server.asked.startswith(b"GET /healthz?full=1 HTTP/1.1\r\n")
    headers = server.asked.lower().split(b"\r\n")
    # As a visitor of the site comes, by HTTPS: frameworks refuse other hosts, and redirect plain HTTP.
    assert b"host: www.example.com" in headers
    assert b"x-forwarded-proto: https" in headers


def test_through_a_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener, OK)
        assert check().ask_port(listener.getsockname()[1]) is None
        server.stop()


@pytest.mark.parametrize(
    ("status", "statuses", "well"),
    [
        (204, ((200, 299),), True),
        (301, ((200, 299),), False),
        (301, ((200, 299), (301, 301)), True),
        (302, ((200, 299), (301, 301)), False),
        (503, ((200, 299),), False),
        (401, ((401, 401),), True),
    ],
)
def test_which_statuses_are_well(
    serve: Callable[[bytes], Server], tmp_path: Path, status: int, statuses: tuple[tuple[int, int], ...], well: bool
) -> None:
    serve(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
    assert (check(statuses).ask_socket(f"{tmp_path}/web.sock") is None) == well


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://www.example.com/up/\r\nContent-Length: 0\r\n\r\n",
            "GET /healthz?full=1 answered 301 to https://www.example.com/up/, expected 200-299 or 404; "
            "set health.path to a page that answers without a redirect",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "GET /healthz?full=1 answered 400, expected 200-299 or 404; "
            "does the app accept the Host 'www.example.com'? set health.host to one that it does",
        ),
        (
            b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
            "GET /healthz?full=1 answered 500, expected 200-299 or 404",
        ),
        (b"", "GET /healthz?full=1: Remote end closed connection without response"),
        (b"SSH-2.0-OpenSSH\r\n", "GET /healthz?full=1: SSH-2.0-OpenSSH"),
        (b"slow", "GET /healthz?full=1: timed out"),
    ],
)
def test_what_is_wrong_is_told(serve: Callable[[bytes], Server], tmp_path: Path, answer: bytes, expected: str) -> None:
    serve(answer)
    found = check(((200, 299), (404, 404))).ask_socket(f"{tmp_path}/web.sock")
    assert found is not None
    assert found.strip() == expected


@pytest.mark.parametrize(
    "piece",
    [b"HTTP/1.1 200 OK\r\nX: y\r\n", b"HTTP/1.1 100 Continue\r\n", b"X: y\r\n", b"x", b"x" * 1_000_000],
)
def test_an_answer_without_an_end_is_given_up_in_time_and_not_kept(tmp_path: Path, piece: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/web.sock")
        listener.listen()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while True:
                    connection.sendall(piece)
                    time.sleep(0.02)

        thread = threading.Thread(target=drip)
        thread.start()
        found = check(((404, 404),)).ask_socket(f"{tmp_path}/web.sock")
        thread.join(60)
    assert not thread.is_alive()
    assert found is not None
    assert len(found) < 70_000


def test_an_app_that_takes_nobody_more_in_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(f"{tmp_path}/web.sock")
        listener.listen(0)
        for _ in range(5):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(f"{tmp_path}/web.sock")
        assert "unavailable" in str(check().ask_socket(f"{tmp_path}/web.sock"))


def test_nobody_listens(tmp_path: Path) -> None:
    assert "it is not listening on its socket yet" in str(check().ask_socket(f"{tmp_path}/none.sock"))
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(f"{tmp_path}/gone.sock")
    assert "Connection refused" in str(check().ask_socket(f"{tmp_path}/gone.sock"))


def test_waits_until_it_is_well(serve: Callable[[bytes], Server], tmp_path: Path) -> None:
    server = serve(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
    looked = []

    def alive() -> None:
        looked.append(1)
        if len(looked) == 3:
            server.answer = OK

    problem = check().wait(lambda: check().ask_socket(f"{tmp_path}/web.sock"), alive, interval=0, look=0)
    assert problem is None
    assert len(looked) == 3


def test_gives_up_with_the_last_answer_when_the_time_is_up(tmp_path: Path) -> None:
    answers = iter(["first", "second"])
    assert check(timeout=0).wait(lambda: next(answers), lambda: None) == "first"


def test_waits_no_longer_for_what_has_died(tmp_path: Path) -> None:
    def dead() -> None:
        raise ResourceError("it has died")

    with pytest.raises(ResourceError, match="it has died"):
        check(timeout=600).wait(lambda: "not yet", dead)
