"""Visitors that keep asking a site, and what became of each of their requests."""

from __future__ import annotations

import collections
import http.client
import threading
import time
from collections.abc import Callable
from types import TracebackType

# Between an answer and a visitor's next request, in seconds. Without it, few visitors take a whole processor, and the
# deploy that they watch goes on at a crawl; wrk, in test_rollback, is for that.
_PAUSE = 0.05


class Load:
    """Keeps connections busy with requests from here until it ends.

        with Load(address, connections=16) as load:
            ...
        assert load.failed == []

    :param method: of the requests.
    :param visit: what a visitor does instead, again and again: returns status and body of the answer.
    """

    def __init__(
        self,
        address: str,
        connections: int = 16,
        method: str = "GET",
        path: str = "/",
        visit: Callable[[], tuple[int, str]] | None = None,
    ) -> None:
        self.connections = connections
        self._own_visit = visit
        self._address, self._method, self._path = address, method, path
        self._answers: collections.Counter[str] = collections.Counter()
        self._failed: list[str] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self._visitors = [threading.Thread(target=self._visit, args=[number]) for number in range(connections)]
        self._answered = [0] * connections

    def __enter__(self) -> Load:
        for visitor in self._visitors:
            visitor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for visitor in self._visitors:
            visitor.join()

    @property
    def failed(self) -> list[str]:
        """What went wrong with each request that got no answer, or one with another status than 200."""
        with self._lock:
            return list(self._failed)

    @property
    def answers(self) -> collections.Counter[str]:
        """How often each first line of a body was the answer."""
        with self._lock:
            return self._answers.copy()

    def wait_for(self, requests: int, limit: float = 60.0) -> None:
        """Wait until so many more requests have been answered."""
        goal, deadline = self.answers.total() + requests, time.monotonic() + limit
        while self.answers.total() < goal:
            assert time.monotonic() < deadline, f"fewer than {requests} answers in {limit} s"
            time.sleep(0.05)

    def wait_for_everybody(self, limit: float = 60.0) -> None:
        """Wait until each of the visitors has had an answer."""
        before, deadline = list(self._answered), time.monotonic() + limit
        while any(now == then for now, then in zip(self._answered, before, strict=True)):
            assert time.monotonic() < deadline, f"a visitor had no answer in {limit} s"
            time.sleep(0.05)

    def _visit(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)

        def ask() -> tuple[int, str]:
            connection.request(self._method, self._path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")

        visit = self._own_visit or ask
        # One after another, so that at no moment all of them pause.
        self._over.wait(number * _PAUSE)
        while not self._over.wait(_PAUSE):
            began = time.strftime("%H:%M:%S")
            try:
                status, body = visit()
                problem = "" if status == 200 else f"{began}: status {status}"
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                body, problem = "", f"{began}: {error or type(error).__name__}"
            with self._lock:
                self._answered[number] += not problem
                if problem:
                    self._failed.append(problem)
                else:
                    self._answers[body.partition("\n")[0]] += 1
        connection.close()
