"""Many hosts at once: steps that all of them finish before the next begins."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..connection import requests
from ..connection.requests import Request
from ..console import Console
from ..errors import FleetError, HostsmithError, InterruptedRunError, LockedError, UsageError
from ..report import Report
from .member import Member

if TYPE_CHECKING:
    from ..inventory.targets import Target

T = TypeVar("T")


class Fleet:
    """The hosts of a run, in a `with` block at whose end all sessions are closed.

    All of them may be connected at once, since a deploy holds their locks together; at most `concurrency` are worked
    on at the same time.

    :param what: the run, for people to read; None when only answers are shown.
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
    def healthy(self) -> list[Member]:
        """The hosts on which nothing has failed so far."""
        return [member for member in self.members if member.report.ok]

    @property
    def ok(self) -> bool:
        """Whether nothing has failed on any host."""
        return len(self.healthy) == len(self.members)

    @property
    def exceeds_concurrency(self) -> bool:
        """Whether some hosts wait for others in each step."""
        return len(self.members) > self._concurrency

    def check(self) -> None:
        """Fail if a query failed; to be called once the other answers have been shown.

        :raises FleetError: something failed on a host; hosts with the same problem are named together.
        """
        problems: dict[str, list[str]] = {}
        for report in self.reports:
            if not report.ok:
                problems.setdefault(report.problem(), []).append(report.host)
        if problems:
            text = "\n".join(f"{', '.join(hosts)}: {problem}" for problem, hosts in problems.items())
            raise FleetError(text, reports=self.reports)

    def each(self, work: Callable[[Member], T], members: Sequence[Member] | None = None) -> dict[Member, T]:
        """Run work on hosts at the same time, and wait until all have ended.

        A failure is written in the host's report; the other hosts go on.

        :param members: the hosts; None for those on which nothing has failed so far.
        :returns: the result of each host that did not fail.
        :raises InterruptedRunError: Ctrl-C; all hosts have undone the unfinished step.
        """
        chosen = self.healthy if members is None else members
        answers: dict[Member, T] = {}

        def one(member: Member) -> None:
            try:
                answers[member] = work(member)
            except HostsmithError as error:
                member.report.fail(error.kind, str(error))
            except Exception as error:  # noqa: BLE001 -- of one host, and no reason to leave the others as they are
                member.report.fail("bug", f"internal error: {type(error).__name__}: {error} ({_place(error)})")
            self._console.idle(member.label, "waiting for the others" if member.report.ok else "failed")

        self._run(chosen, one)
        return {member: answers[member] for member in chosen if member in answers}

    def require(self, otherwise: str) -> None:
        """Go on only if nothing has failed on any host.

        :param otherwise: what a failure means for the run.
        :raises FleetError: something has failed.
        """
        failed = [member.label for member in self.members if not member.report.ok]
        if failed:
            raise FleetError(f"{', '.join(failed)}: {otherwise}", reports=self.reports)

    def connect(self) -> None:
        """Connect to all hosts; why one could not be reached is in its report."""
        self.each(lambda member: member.session, self.members)

    def leave_out_unreachable(self) -> list[Report]:
        """Go on without the hosts that are unreachable, unless that is all of them; returns their reports."""
        there = [member for member in self.members if member.is_reachable]
        if not there:
            return []
        left_out = [member.report for member in self.members if not member.is_reachable]
        self.members = there
        return left_out

    def lock(self, what: str, timeout: float, ask: Sequence[Request[Any]] = ()) -> dict[Member, list[Any]]:
        """Take the locks of all hosts.

        At first all at once. If one is taken, none is kept, and they are taken one after another in an order that is
        the same for all runs, so that of two runs one gets them all. A host that stays locked has failed.

        :param ask: questions for each host once it is locked.
        :returns: the answers.
        :raises UsageError: two of the hosts are one machine.
        """
        answers = self.each(lambda member: _try_lock(member, what, ask))
        got = {member: answer for member, answer in answers.items() if answer is not None}
        if len(got) == len(answers) or not self.ok:
            return got
        self._refuse_twins()
        self.each(lambda member: member.request(requests.unlock()))
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
                raise UsageError(f"{twin} and {member.label} are one machine; name it once")

    def _run(self, members: Sequence[Member], work: Callable[[Member], Any]) -> None:
        if not members:
            return
        with ThreadPoolExecutor(min(self._concurrency, len(members))) as pool:
            futures = [pool.submit(work, member) for member in members]
            try:
                _finish(futures)
            except BaseException as error:
                # Ctrl-C, or a fault of no host, such as an output that nobody reads any more.
                for future in futures:
                    future.cancel()
                self._interrupt()
                wait(futures)
                if isinstance(error, KeyboardInterrupt):
                    raise InterruptedRunError("interrupted; the unfinished step has been undone") from None
                raise

    def _interrupt(self) -> None:
        for member in self.members:
            member.interrupt()


def _finish(futures: Sequence[Future[Any]]) -> None:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()


def _try_lock(member: Member, what: str, ask: Sequence[Request[Any]]) -> list[Any] | None:
    try:
        return member.lock(what, 0, ask)
    except LockedError:
        return None


def _place(error: Exception) -> str:
    """The line of the library at which an unexpected error was raised."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(last.filename)}:{last.lineno}"
