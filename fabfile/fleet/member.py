"""One host of a fleet: its session, opened when needed, and its report."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..connection import requests
from ..connection.requests import Request
from ..connection.session import Session, open_session
from ..console import Console
from ..contract.events import Event
from ..errors import HostsmithError, InterruptedRunError
from ..rendering.rendered import rendered
from ..report import Report

if TYPE_CHECKING:
    from ..contract.base import Resource
    from ..inventory.targets import Target

T = TypeVar("T")


class Converged(NamedTuple):
    """The result of `Member.converge`.

    :param done: whether the host is in the desired state; if not, its report says why.
    :param answers: those to the requests after it, when it is.
    """

    done: bool
    answers: list[Any]


class Member:
    """One host of a fleet: its session, and its report.

    :param target: the host.
    """

    def __init__(self, target: Target, console: Console, dry_run: bool) -> None:
        self.target, self.settings = target, target.settings
        self.label = target.label
        self.report = Report(self.label, dry_run=dry_run)
        self._console = console
        self._session: Session | None = None
        self._opening: Future[Session] | None = None
        self._is_interrupted = False
        self._start = time.monotonic()

    @property
    def session(self) -> Session:
        """The session with the host, opened on first use."""
        if self._session is None:
            self.phase("connect")
            opening, self._opening = self._open_ahead(), None
            self._session = opening.result()
            if self._is_interrupted:
                raise InterruptedRunError(f"{self.label}: interrupted before anything was begun", host=self.label)
        return self._session

    def _open_ahead(self) -> Future[Session]:
        """Start to open the session, for the next use of it."""
        if self._opening is None:
            self._start = time.monotonic()
            self._opening = _in_background(lambda: open_session(self.target.connection))
        return self._opening

    @property
    def is_connected(self) -> bool:
        """Whether there is a session, or is about to be one."""
        return self._session is not None or self._opening is not None

    @property
    def is_reachable(self) -> bool:
        """Whether the host has not been found unreachable."""
        return self.report.verdict != "unreachable"

    def phase(self, name: str, total: int = 0) -> None:
        """Show what the host is doing.

        :param total: the number of resources; 0 when it is not known.
        """
        self._console.phase(self.label, name, total)

    def request(self, wanted: Request[T]) -> T:
        """Send a request, and return what its answer means; raises as the request does."""
        return self.session.request(wanted, self.on_event)

    def ask(self, query: str, **arguments: Any) -> Any:
        """Ask the host something.

        :param query: a function of `agent.queries`.
        :raises AgentError: it cannot answer, with the reason.
        """
        return self.request(requests.ask(query, **arguments))

    def lock(self, what: str, timeout: float, ask: Sequence[Request[Any]] = ()) -> list[Any]:
        """Take the host's lock; raises as `requests.lock`.

        :param ask: questions for the host once it is locked.
        :returns: the answers.
        """
        session = self.session
        self.phase("lock")
        _, *answers = session.together([requests.lock(what, timeout), *ask], self.on_event)
        return answers

    def converge(
        self,
        phase: str,
        resources: Sequence[Resource],
        *,
        hold: bool = False,
        before: Sequence[Request[Any]] = (),
        after: Sequence[Request[Any]] = (),
    ) -> Converged:
        """Bring the host to a desired state.

        All requests are sent at once; each is carried out if the previous one was.

        :param hold: the host undoes the changes unless they are confirmed before the session ends.
        :param before: requests that come first, such as for the lock.
        :param after: requests that follow.
        """
        session, files = self._begin(phase, resources)
        wanted = [*before, requests.converge(files, hold=hold), *after]
        _, done, *answers = [None, *session.together(wanted, self.on_event)[len(before) :]]
        return Converged(self._judged(bool(done)), answers)

    def plan(self, phase: str, resources: Sequence[Resource]) -> bool:
        """Show what `converge` would change; returns whether all of it could be predicted."""
        session, files = self._begin(phase, resources)
        return self._judged(session.request(requests.plan(files), self.on_event))

    def would(self, resources: Sequence[Resource]) -> Report:
        """Return what `converge` would change, in a separate report that is not shown."""
        report = Report(self.label, dry_run=True)
        files = rendered(resources, self.settings.project, self.label)
        if not self.session.request(requests.plan(files), report.add) and not report.failed:
            report.error = "the changes cannot be predicted"
        return report

    def revert(self) -> bool:
        """Undo what the host holds; returns whether all of it could be undone."""
        self.phase("revert")
        return self._judged(self.request(requests.revert()))

    def _begin(self, phase: str, resources: Sequence[Resource]) -> tuple[Session, list[Resource]]:
        # The host is connected to while files are rendered.
        if not self.is_connected:
            self._open_ahead()
        files = rendered(resources, self.settings.project, self.label)
        session = self.session
        self.phase(phase, len(files))
        return session, files

    def _judged(self, done: bool) -> bool:
        if not done and not self.report.failed:
            self.report.error = "not all of it was done"
        return done

    def on_event(self, event: Event) -> None:
        """Add an event of the host to its report, and show it."""
        self.report.add(event)
        if event["event"] == "result" and event["state"] == "reverted":
            self.report.verdict = "reverted"
        self._console.event(self.label, event)

    def interrupt(self) -> None:
        """Stop the run on the host, which undoes the unfinished step; one that is not reached yet is left alone."""
        self._is_interrupted = True
        if self._session is not None:
            self._session.interrupt()

    def leave(self) -> None:
        """End the session, and receive the host's last events."""
        if self._opening is not None:
            with contextlib.suppress(HostsmithError):
                _ = self.session
        if self._session is not None:
            self._session.interrupt()
            self._session.last_words(self.on_event)
            self._session.close()
            self._session = None
        self.report.seconds = round(time.monotonic() - self._start, 3)


def _in_background(work: Callable[[], T]) -> Future[T]:
    """Start work in a thread that does not delay the end of the program."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
