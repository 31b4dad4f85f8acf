"""Handlers: what a service needs after its configuration changed."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.base import Handler
from ..hostkit.linux import system
from ..hostkit.linux.systemd import systemctl


@dataclass(frozen=True)
class Reload(Handler):
    """Have a systemd service read its configuration again; it is started if it does not run."""

    service: str

    def describe(self) -> str:
        return f"reload {self.service}"

    def run(self) -> None:
        systemctl("reload-or-restart", self.service)


@dataclass(frozen=True)
class Restart(Handler):
    """Restart a systemd service, however often it was started of late."""

    service: str

    def describe(self) -> str:
        return f"restart {self.service}"

    def run(self) -> None:
        # A unit that is restarted for the sixth time in 10 seconds is refused and stays down, be it sshd. One that is
        # not loaded yet has nothing to reset.
        system.run(["systemctl", "reset-failed", "--", self.service], ok=range(256))
        systemctl("restart", self.service)
