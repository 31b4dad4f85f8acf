"""The proof that the host can still be reached: the controller comes by a new connection, and says how that went."""

from __future__ import annotations

import queue

from . import events
from .base import ResourceError

# Seconds; more than the controller takes to give up.
_LIMIT = 60.0
_answers: queue.SimpleQueue[str] = queue.SimpleQueue()


def give(problem: str) -> None:
    """The controller's answer, from whichever thread hears it; empty when it got in."""
    _answers.put(problem)


def obtain(limit: float = _LIMIT) -> None:
    """Have the controller come by a new connection.

    :raises ResourceError: it did not get in, or did not say within so many seconds that it has.
    """
    while not _answers.empty():
        _answers.get()  # to an earlier question, and too late
    events.emit("prove")
    try:
        problem = _answers.get(timeout=limit)
    except queue.Empty:
        problem = f"you have not said within {limit:g} s that you can"
    if problem:
        raise ResourceError(f"you would not get in any more, so all was put back: {problem}")
