"""Engine of a run: check resources, apply changes, undo failures, run owed handlers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..contract import events
from ..contract.base import Change, Resource, ResourceError
from ..contract.interruption import Interrupted
from ..contract.undo import Undo
from ..hostkit.linux import space
from ..resources.validated import Validated
from .held import Held
from .journal import Journal
from .owed import Owed


class FailedError(Exception):
    """A resource or a handler failed; its event has been sent."""


def converge(resources: Sequence[Resource], owed: Owed, journal: Journal, held: Held | None = None) -> bool:
    """Bring the host to the desired state, resource by resource, then run the handlers.

    :param held: holds the changes until they are confirmed, to be rolled back otherwise; None: they are final.
    :returns: whether all of it succeeded.
    """
    try:
        for index, resource in enumerate(resources):
            with _Timed(index, resource.describe()) as timed:
                _converge_one(resource, owed, journal, timed, held)
        done = _run_handlers(owed, len(resources))
    except FailedError:
        done = False
    _note_owed(owed)
    return done


def roll_back(held: Held, owed: Owed, journal: Journal) -> bool:
    """Roll back held changes, then run the handlers that this owes.

    :returns: whether all of it succeeded.
    """
    failed, handlers = held.roll_back(journal)
    owed.add(handlers)
    return _run_handlers(owed, 0) and not failed


def plan(resources: Sequence[Resource], owed: Owed) -> bool:
    """Report what `converge` would change, without changing anything.

    :returns: whether all of it could be checked.
    """
    handlers = dict.fromkeys(owed.handlers)
    changed = False
    try:
        for index, resource in enumerate(resources):
            with _Timed(index, resource.describe()) as timed:
                try:
                    change = resource.check()
                except (ResourceError, OSError) as error:
                    if not changed:
                        raise
                    change = Change(f"unknown until the changes above are made: {error}", _nothing)
                if change:
                    changed = True
                    handlers |= dict.fromkeys(resource.handlers())
                    timed.result("changed", change)
        for handler in handlers:
            events.emit("result", index=len(resources), resource=handler.describe(), state="ran", seconds=0.0)
    except FailedError:
        return False
    return True


def _converge_one(resource: Resource, owed: Owed, journal: Journal, timed: _Timed, held: Held | None) -> None:
    change = resource.check()
    if change is None:
        if isinstance(resource, Validated) and set(resource.handlers()) & set(owed.handlers):
            # A killed run left it without a rollback: it has not been checked yet.
            resource.verify()
        return
    undo = Undo()
    undo.register(change.undo)
    newly_owed = owed.add(resource.handlers())
    if held is not None:
        held.register(resource, change)
    try:
        journal.add(change.durable)
        change.apply()
    except BaseException as error:
        if held is not None:
            held.forget_last()
        try:
            _undo(undo, error)
        finally:
            journal.remove(change.durable)
        if change.undo is not None:
            owed.remove(newly_owed)
        raise
    if held is None:
        journal.remove(change.durable)
        change.confirm()
    timed.result("changed", change)


def _run_handlers(owed: Owed, index: int) -> bool:
    """Run all owed handlers: one that always fails must not stop the others."""
    done = True
    for handler in tuple(owed.handlers):
        try:
            with _Timed(index, handler.describe()) as timed:
                handler.run()
                owed.remove([handler])
                timed.result("ran")
        except FailedError:
            done = False
    return done


def _undo(undo: Undo, error: BaseException) -> None:
    try:
        undo.run()
    except ResourceError as failure:
        raise ResourceError(f"{message(error)}\n{failure}") from error


class _Timed:
    """Sends the events of one resource: its start, and its result with the duration."""

    def __init__(self, index: int, resource: str) -> None:
        self._index, self._resource = index, resource
        self._state, self._change = "ok", Change("", _nothing)
        self._start = time.monotonic()

    def __enter__(self) -> _Timed:
        events.emit("start", index=self._index, resource=self._resource)
        return self

    def result(self, state: str, change: Change | None = None) -> None:
        """Set the result to report unless an error follows."""
        self._state, self._change = state, change or self._change

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._emit(self._state, summary=self._change.summary, diff=self._change.diff)
            return
        self._emit("failed", error=message(error))
        if isinstance(error, Exception):
            raise FailedError from error

    def _emit(self, state: str, **fields: str) -> None:
        seconds = round(time.monotonic() - self._start, 4)
        events.emit("result", index=self._index, resource=self._resource, state=state, seconds=seconds, **fields)


def message(error: BaseException) -> str:
    """Return the text of an error for the user: its message when it was expected, else the traceback."""
    if isinstance(error, Interrupted):
        return "interrupted"
    if isinstance(error, ResourceError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {space.reason(error, error.filename)}" if error.filename else error.strerror
    import traceback

    return "".join(traceback.format_exception(error))


def _note_owed(owed: Owed) -> None:
    if owed.handlers:
        names = ", ".join(handler.describe() for handler in owed.handlers)
        events.note(f"still owed, and run by the next run on this host: {names} (listed in {owed.path})")
    if owed.unknown:
        names = ", ".join(owed.unknown)
        events.note(f"still owed, and run by the next run that has its code: {names} (listed in {owed.path})")


def _nothing() -> None:
    """Do nothing."""
