"""An Invoke context for commands on this machine, made for tests: no stdin, and its pipes are closed at once."""

from __future__ import annotations

from typing import Any

from invoke.config import Config
from invoke.context import Context
from invoke.runners import Local


class _ClosingLocal(Local):
    """Invoke leaves the pipes of a finished command to the garbage collector, which warns."""

    def stop(self) -> None:
        super().stop()
        if not self.using_pty:
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()


def local_context(**run: Any) -> Context:
    """A context with these settings of `run`."""
    return Context(Config(overrides={"run": {"in_stream": False, **run}, "runners": {"local": _ClosingLocal}}))
