"""Many hosts side by side: a session to each, work that all have done before the next begins, a report from each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .connection import requests
from .connection.requests import Event, Request
from .connection.session import Session
from .console import Console
from .errors import FleetError, HostsmithError, InterruptedRunError, LockedError, UsageError
from .report import Report
from .templating import rendered

if TYPE_CHECKING:
    from .resources.base import Resource
    from .targets import Target

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
        self._start = time.monotonic()

    @property
    def session(self) -> Session:
        """The session with the host, opened when it is first asked for."""
        if self._session is None:
            self.phase("connect")
            opening, self._opening = self._open_ahead(), None
            self._session = opening.result()
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
        """Take the host's lock; raises as `Session.lock`.

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
        """Bring the host to a state under its lock, which is free again when this returns; one answer is waited for.

        :param what: what is being done, for people to read, also for those who want the lock meanwhile.
        :param timeout: seconds to wait for another run.
        :raises LockedError: it was not done in time.
        """
        session, files = self._begin(what, resources)
        wanted = (requests.lock(what, timeout), requests.converge(files), requests.unlock())
        _, done, *_ = session.together(wanted, self.on_event)
        return self._judged(done)

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
        """Have the host stop and put back what is half-way."""
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


class Fleet:
    """The hosts of a run, in a `with` block at whose end all sessions are closed.

    All of them may be connected at once, since a deploy holds their locks together; at most `concurrency` are worked
    on at the same time.

    :param what: what is being done, for people to read; None for a look, of which only the answers are shown.
    """

    def __init__(
        self, targets: Sequence[Target], console: Console, concurrency: int, what: str | None, *, dry_run: bool = False
    ) -> None:
        self.members = [Member(target, console, dry_run) for target in targets]
        self._console, self._concurrency = console, concurrency
        labels = [member.label for member in self.members]
        self._shown = console.outputs(labels) if what is None else console.fleet(labels, what, dry_run)

    def __enter__(self) -> Fleet:
        self._shown.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, KeyboardInterrupt):
                self._interrupt()
            self._run([member for member in self.members if member.is_connected], Member.leave)
        finally:
            self._shown.__exit__(kind, error, trace)

    @property
    def reports(self) -> list[Report]:
        """The report of each host."""
        return [member.report for member in self.members]

    @property
    def well(self) -> list[Member]:
        """The hosts on which nothing has failed so far."""
        return [member for member in self.members if member.report.ok]

    @property
    def ok(self) -> bool:
        """Whether nothing has failed on any host."""
        return len(self.well) == len(self.members)

    def check(self) -> None:
        """For a look at the hosts: to be called when what was seen has been shown.

        :raises HostsmithError: something failed on a host; says what, of hosts that say the same together.
        """
        problems: dict[str, list[str]] = {}
        for report in self.reports:
            if not report.ok:
                problems.setdefault(report.problem(), []).append(report.host)
        if problems:
            raise HostsmithError("\n".join(f"{', '.join(hosts)}: {text}" for text, hosts in problems.items()))

    def each(self, work: Callable[[Member], T], members: Sequence[Member] | None = None) -> dict[Member, T]:
        """Have hosts work side by side, and wait until all have ended.

        What goes wrong on one is written in its report, and is no reason for the others to stop.

        :param members: the hosts; None for those on which nothing has failed so far.
        :returns: what came of it, for each host on which nothing went wrong.
        :raises InterruptedRunError: Ctrl-C; all hosts have put back what was half-way.
        """
        chosen = self.well if members is None else members
        answers: dict[Member, T] = {}

        def one(member: Member) -> None:
            try:
                answers[member] = work(member)
            except HostsmithError as error:
                member.report.fail(error)
            self._console.idle(member.label, "waiting for the others" if member.report.ok else "failed")

        self._run(chosen, one)
        return {member: answers[member] for member in chosen if member in answers}

    def require(self, otherwise: str) -> None:
        """Go on only when nothing has failed on any host.

        :param otherwise: what that means.
        :raises FleetError: something has.
        """
        failed = [member.label for member in self.members if not member.report.ok]
        if failed:
            raise FleetError(f"{', '.join(failed)}: {otherwise}")

    def connect(self) -> list[Member]:
        """Reach all hosts; returns those that could not be, with the reason in their report."""
        self.each(lambda member: member.session, self.members)
        return [member for member in self.members if not member.report.ok]

    def leave_out(self, members: Sequence[Member]) -> None:
        """Go on without some hosts."""
        self.members = [member for member in self.members if member not in members]

    def lock(self, what: str, timeout: float, ask: Sequence[Request[Any]] = ()) -> dict[Member, list[Any]]:
        """Take the locks of all hosts.

        First of all at once. If one is taken, none is kept, and they are taken one after another in an order that is
        the same for everyone, so that of two runs one gets them all.

        :param ask: what is to be asked of each host that is locked.
        :returns: the answers.
        :raises LockedError: another run was not done in time.
        :raises UsageError: two of the hosts are one machine.
        """
        answers = self.each(lambda member: _try_lock(member, what, ask))
        got = {member: answer for member, answer in answers.items() if answer is not None}
        if len(got) == len(answers) or not self.ok:
            return got
        self._refuse_twins()
        self.each(lambda member: member.session.unlock())
        for member in sorted(self.members, key=lambda member: member.session.machine):
            got |= self.each(lambda member: member.lock(what, timeout, ask), [member])
            if not member.report.ok:
                break
        return got

    def _refuse_twins(self) -> None:
        names: dict[str, str] = {}
        for member in self.members:
            twin = names.setdefault(member.session.machine, member.label)
            if twin != member.label:
                raise UsageError(f"found {twin} and {member.label}, which are one machine; name it once")

    def _run(self, members: Sequence[Member], work: Callable[[Member], Any]) -> None:
        if not members:
            return
        with ThreadPoolExecutor(min(self._concurrency, len(members))) as pool:
            futures = [pool.submit(work, member) for member in members]
            try:
                _finish(futures)
            except BaseException as error:
                # Ctrl-C, or what no host is to blame for, such as an output that nobody reads any more.
                for future in futures:
                    future.cancel()
                self._interrupt()
                wait(futures)
                if isinstance(error, KeyboardInterrupt):
                    raise InterruptedRunError("interrupted; what was half-way has been put back") from None
                raise

    def _interrupt(self) -> None:
        for member in self.members:
            member.interrupt()


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


def _finish(futures: Sequence[Future[Any]]) -> None:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()


def _try_lock(member: Member, what: str, ask: Sequence[Request[Any]]) -> list[Any] | None:
    try:
        return member.lock(what, 0, ask)
    except LockedError:
        return None
