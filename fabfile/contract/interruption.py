"""Interruption of a run, delayed where stopping would leave a partial change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Interrupted(BaseException):
    """The controller is gone, or a signal stops this run."""


class _Shield:
    """Delays an interruption until the last holder leaves."""

    depth = 0
    pending = False


def interrupt(signum: int, frame: object) -> None:
    """Handle a signal: stop the run at the next moment that leaves no partial change."""
    if _Shield.depth:
        _Shield.pending = True
    else:
        raise Interrupted


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay interruptions during a step that must be done completely or not at all."""
    _Shield.depth += 1
    try:
        yield
    finally:
        _Shield.depth -= 1
        if not _Shield.depth and _Shield.pending:
            _Shield.pending = False
            raise Interrupted
