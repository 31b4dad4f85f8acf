"""Proof that the host is still reachable: a second connection by the controller."""

from __future__ import annotations

import queue

from . import events
from .base import ResourceError

# Seconds; longer than the controller's own limit.
_LIMIT = 60.0
_answers: queue.SimpleQueue[str] = queue.SimpleQueue()


def give(problem: str) -> None:
    """Pass on the controller's answer, from any thread; empty when it could log in."""
    _answers.put(problem)


def obtain(limit: float = _LIMIT) -> None:
    """Ask the controller to log in by a new connection, and wait for its answer.

    :raises ResourceError: it could not log in, or did not answer within so many seconds.
    """
    while not _answers.empty():
        _answers.get()  # a late answer to an earlier question
    events.emit("prove")
    try:
        problem = _answers.get(timeout=limit)
    except queue.Empty:
        problem = f"no new connection was made within {limit:g} s"
    if problem:
        raise ResourceError(f"rolled back, because you could no longer log in: {problem}")
