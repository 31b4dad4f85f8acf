"""examples/fastapi-chat: what a deploy is for those who hold a websocket."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hostsmith.sandbox import Sandbox
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.hosts.conftest import Project
from tests.hosts.load import Load
from tests.hosts.readme import followed

_RESTART = 1012  # service restart, in IANA's registry of WebSocket close codes
_PAUSE = 0.05  # seconds between two things that a visitor says


@pytest.fixture(scope="module")
def chat(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with followed("fastapi-chat", tmp_path_factory.mktemp("chat")) as project:
        yield project


class Visitor:
    """Somebody with the page open, which connects again when its connection ends; until the visit ends.

    :param sayings: what the visitor has to say, one after the other.
    """

    def __init__(self, address: str, sayings: Iterable[str] = ()) -> None:
        self._address, self._sayings = address, iter(sayings)
        self._unheard: dict[str, str] = {}
        self._last, self._over, self._pool = 0, threading.Event(), ThreadPoolExecutor(1)
        self.said: list[str] = []
        self.heard: list[str] = []
        self.releases: list[str] = []
        self.codes: list[int | None] = []

    def __enter__(self) -> Visitor:
        self._visit = self._pool.submit(self._stay)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        self._visit.result()

    def wait_until(self, condition: Callable[[Visitor], bool], limit: float = 60.0) -> None:
        """Wait until this is so, or the visit has failed."""
        deadline = time.monotonic() + limit
        while not condition(self):
            assert not self._visit.done(), self._visit.result()
            assert time.monotonic() < deadline, f"{self.__dict__} after {limit} s"
            time.sleep(0.02)

    def _stay(self) -> None:
        while not self._over.is_set():
            with connect(f"ws://{self._address}/ws?after={self._last}") as socket:
                try:
                    self._talk(socket)
                except ConnectionClosed as end:
                    self.codes.append(end.rcvd.code if end.rcvd else None)

    def _talk(self, socket: ClientConnection) -> None:
        self.releases.append(json.loads(socket.recv(timeout=10))["release"])
        for key, text in self._unheard.items():
            socket.send(json.dumps({"key": key, "text": text}))
        while not self._over.is_set():
            for text in itertools.islice(self._sayings, 1):
                self.said.append(text)
                self._unheard[text] = text
                socket.send(json.dumps({"key": text, "text": text}))
            self._listen(socket, time.monotonic() + _PAUSE)

    def _listen(self, socket: ClientConnection, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            try:
                message = json.loads(socket.recv(timeout=left))
            except TimeoutError:
                return
            self._last = message["id"]
            self._unheard.pop(message["key"], None)
            self.heard.append(message["text"])


def test_a_websocket_goes_through_nginx(chat: Project) -> None:
    with Visitor(chat.vps.address) as ada, Visitor(chat.vps.address, iter(["Hello, Ada!"])):
        ada.wait_until(lambda ada: "Hello, Ada!" in ada.heard)
        assert ada.releases == [chat.live()]


def test_a_deploy_sends_websockets_to_the_new_release_and_no_message_is_lost(chat: Project) -> None:
    address, old = chat.vps.address, chat.live()
    numbered = (f"message {number}" for number in itertools.count())
    with Load(address, connections=4) as load, Visitor(address) as listener:
        with Visitor(address, numbered) as talker:
            talker.wait_until(lambda talker: len(talker.heard) > 20)
            load.wait_for(100)
            chat.commit("a new release")
            done = chat.fab("deploy")
            new = chat.live()
            load.wait_for(100)
            for visitor in (talker, listener):
                visitor.wait_until(lambda visitor: visitor.releases == [old, new])
            before = len(talker.heard)
            talker.wait_until(lambda talker: len(talker.heard) > before + 20)
        listener.wait_until(lambda listener: listener.heard[-1] == talker.said[-1])
    assert load.failed == []
    # They did not hold up the deploy for longer than it was told to wait for them, and were not just cut off.
    assert f"connections to {old} were still open after 5 s" in done.stdout
    assert listener.codes == [_RESTART]
    assert [text for text in listener.heard if text.startswith("message")] == talker.said
