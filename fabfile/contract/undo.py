"""Undo steps, registered before their change and run in reverse."""

from __future__ import annotations

from collections.abc import Callable

from .base import ResourceError
from .interruption import uninterrupted


class Undo:
    """A stack of undo steps."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] = []

    def register(self, step: Callable[[], None] | None) -> None:
        """Register a step; must be called before the change, so that no crash falls between the two."""
        if step is not None:
            self._steps.append(step)

    def run(self) -> None:
        """Undo everything, the latest step first; a failing step does not stop the others.

        :raises ResourceError: a step failed.
        """
        if failures := self.failures():
            raise ResourceError(f"could not be undone: {failures}")

    def failures(self) -> str:
        """Undo everything like `run`; return what could not be undone, or an empty text."""
        failures = []
        with uninterrupted():
            while self._steps:
                try:
                    self._steps.pop()()
                except Exception as error:  # noqa: BLE001
                    failures.append(str(error))
        return "; ".join(failures)
