"""Undo: steps registered before the change they take back, run in reverse."""

from __future__ import annotations

from collections.abc import Callable

from .base import ResourceError
from .interruption import uninterrupted


class Undo:
    """A stack of steps that put things back."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] = []

    def register(self, step: Callable[[], None] | None) -> None:
        """Remember a step; to be called before the change is made, so that no crash falls between the two."""
        if step is not None:
            self._steps.append(step)

    def run(self) -> None:
        """Take everything back, the latest first; all steps are tried even when one fails.

        :raises ResourceError: what could not be put back.
        """
        if failures := self.failures():
            raise ResourceError(f"could not be put back: {failures}")

    def failures(self) -> str:
        """Take everything back as `run` does; what could not be put back is told, and empty when all was."""
        failures = []
        with uninterrupted():
            while self._steps:
                try:
                    self._steps.pop()()
                except Exception as error:  # noqa: BLE001
                    failures.append(str(error))
        return "; ".join(failures)
