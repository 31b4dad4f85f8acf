"""Interruption of a run, held back where stopping would leave the host in pieces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Interrupted(BaseException):
    """The controller went away or a signal asked this run to stop."""


class _Shield:
    """While held, an interruption is remembered and raised only when the last holder lets go."""

    depth = 0
    pending = False


def interrupt(signum: int, frame: object) -> None:
    """Signal handler: stop the run at the next moment where stopping leaves the host whole."""
    if _Shield.depth:
        _Shield.pending = True
    else:
        raise Interrupted


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold interruptions back for a step that must be done wholly or not at all."""
    _Shield.depth += 1
    try:
        yield
    finally:
        _Shield.depth -= 1
        if not _Shield.depth and _Shield.pending:
            _Shield.pending = False
            raise Interrupted
