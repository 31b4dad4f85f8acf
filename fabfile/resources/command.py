"""Command with guards."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..contract.base import Change, Resource
from ..hostkit.linux import system


@dataclass(frozen=True)
class Command(Resource):
    """A command, for what no other resource can do. Without a guard it runs, and counts as a change, every time.

    :param argv: program and arguments, without a shell. For a pipe use `["sh", "-c", "a | b"]`.
    :param creates: path; the command does not run when it exists.
    :param unless: argv; the command does not run when this one ends with status 0. It must only read.
    :param only_if: argv; the command runs only when this one ends with status 0. It must only read.
    :param cwd: working folder; for the guards, too.
    :param user: user to run as, with its groups and home; None: root. For the guards, too.
    :param env: environment variables to add.
    :param timeout: seconds after which it is stopped, and counts as failed.
    :param label: name for reports and errors, instead of the command line.
    """

    argv: list[str]
    creates: str | None = None
    unless: list[str] | None = None
    only_if: list[str] | None = None
    cwd: str | None = None
    user: str | None = None
    env: dict[str, str] = field(default_factory=dict, repr=False)
    timeout: float | None = None
    label: str | None = None

    def describe(self) -> str:
        return f"command {self.label or ' '.join(self.argv)}"

    def check(self) -> Change | None:
        if self.creates is not None and os.path.lexists(self.creates):
            return None
        if self.unless is not None and self._succeeds(self.unless):
            return None
        if self.only_if is not None and not self._succeeds(self.only_if):
            return None
        return Change("ran", self._run)

    def _run(self) -> None:
        self._start(self.argv, self.label)

    def _succeeds(self, argv: list[str]) -> bool:
        try:
            self._start(argv, None)
        except system.CommandError:
            return False
        return True

    def _start(self, argv: list[str], label: str | None) -> None:
        end = system.its_end
        system.run(argv, cwd=self.cwd, user=self.user, env=self.env, timeout=self.timeout, label=label, keep=end)
