"""Handlers that reload or restart a service."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.base import Handler
from ..hostkit.linux import system
from ..hostkit.linux.systemd import systemctl


@dataclass(frozen=True)
class Reload(Handler):
    """Reload the configuration of a systemd service; start it if it is stopped."""

    service: str

    def describe(self) -> str:
        return f"reload {self.service}"

    def run(self) -> None:
        systemctl("reload-or-restart", self.service)


@dataclass(frozen=True)
class Restart(Handler):
    """Restart a systemd service, regardless of systemd's start limit."""

    service: str

    def describe(self) -> str:
        return f"restart {self.service}"

    def run(self) -> None:
        # Otherwise systemd refuses a sixth restart in 10 seconds, and the unit, even sshd, stays down. This fails for a
        # unit that is not loaded yet.
        system.run(["systemctl", "reset-failed", "--", self.service], ok=range(256))
        systemctl("restart", self.service)
