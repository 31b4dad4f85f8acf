"""One host of a fleet: its session, opened when it is needed, and what is told of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from ..connection import requests
from ..connection.requests import Request
from ..connection.session import Session
from ..console import Console
from ..contract.events import Event
from ..errors import HostsmithError, InterruptedRunError
from ..rendering.rendered import rendered
from ..report import Report

if TYPE_CHECKING:
    from ..contract.base import Resource
    from ..inventory.targets import Target

T = TypeVar("T")


class Member:
    """One host of a fleet: its session, and what is told of it.

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
        """The session with the host, opened when it is first asked for."""
        if self._session is None:
            self.phase("connect")
            opening, self._opening = self._open_ahead(), None
            self._session = opening.result()
            if self._is_interrupted:
                raise InterruptedRunError(f"{self.label}: interrupted before anything was begun")
        return self._session

    def _open_ahead(self) -> Future[Session]:
        """Begin to open the session, for whoever asks for it next."""
        if self._opening is None:
            self._start = time.monotonic()
            self._opening = _in_background(lambda: Session(self.target.connection))
        return self._opening

    @property
    def is_connected(self) -> bool:
        """Whether there is a session, or is about to be one."""
        return self._session is not None or self._opening is not None

    def phase(self, name: str, total: int = 0) -> None:
        """Say what the host is at.

        :param total: how many resources it is about; 0 when that cannot be said.
        """
        self._console.phase(self.label, name, total)

    def lock(self, what: str, timeout: float, ask: Sequence[Request[Any]] = ()) -> list[Any]:
        """Take the host's lock; raises as `requests.lock`.

        :param ask: what is to be asked when it is ours.
        :returns: the answers.
        """
        session = self.session
        self.phase("lock")
        _, *answers = session.together([requests.lock(what, timeout), *ask], self.on_event)
        return answers

    def converge(self, phase: str, resources: Sequence[Resource], *, hold: bool = False) -> bool:
        """Bring the host to a state, as `Session.converge`; returns whether all of it was done."""
        session, files = self._begin(phase, resources)
        return self._judged(session.converge(files, self.on_event, hold=hold))

    def converge_and_ask(self, phase: str, resources: Sequence[Resource], ask: Sequence[Request[Any]]) -> list[Any]:
        """Bring the host to a state that it holds, and ask it something when that was done.

        :returns: whether all of it was done, and if so the answers.
        """
        session, files = self._begin(phase, resources)
        done, *answers = session.together([requests.converge(files, hold=True), *ask], self.on_event)
        return [self._judged(done), *answers]

    def confirm_and_converge(self, phase: str, resources: Sequence[Resource]) -> None:
        """Keep what the host holds, and then bring it to a state."""
        session, files = self._begin(phase, resources)
        *_, done = session.together([requests.confirm(), requests.converge(files)], self.on_event)
        self._judged(done)

    def converge_alone(self, what: str, timeout: float, resources: Sequence[Resource]) -> bool:
        """Bring the host to a state under its lock, as `Session.converge_alone`; returns whether all of it was done."""
        session, files = self._begin(what, resources)
        return self._judged(session.converge_alone(what, timeout, files, self.on_event))

    def plan(self, phase: str, resources: Sequence[Resource]) -> bool:
        """Have the host say what `converge` would change."""
        session, files = self._begin(phase, resources)
        return self._judged(session.plan(files, self.on_event))

    def would(self, resources: Sequence[Resource]) -> Report:
        """What `converge` would change, in a report of its own that nobody is shown."""
        report = Report(self.label, dry_run=True)
        files = rendered(resources, self.settings.project, self.label)
        if not self.session.plan(files, report.add) and not report.failed:
            report.error = "it cannot be told what would change"
        return report

    def put_back(self) -> bool:
        """Have the host take back what it holds; returns whether all of it could be."""
        self.phase("put back")
        return self._judged(self.session.put_back(self.on_event))

    def _begin(self, phase: str, resources: Sequence[Resource]) -> tuple[Session, list[Resource]]:
        # Meanwhile the host lets us in and starts the agent.
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
        """Enter an event of the host in its report, and show it."""
        self.report.add(event)
        if event["event"] == "result" and event["state"] == "reverted":
            self.report.verdict = "reverted"
        self._console.event(self.label, event)

    def interrupt(self) -> None:
        """Have the host stop and put back what is half-way; one that is not reached yet is not begun with."""
        self._is_interrupted = True
        if self._session is not None:
            self._session.interrupt()

    def leave(self) -> None:
        """End the session, and hear what the host says to that."""
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
    """Have a thread do something that nobody waits for when the program ends."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
