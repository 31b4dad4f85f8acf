"""Verified reload of nginx."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ...contract.base import Handler, ResourceError
from ...hostkit.linux import filesystem, system
from ...hostkit.linux.systemd import systemctl
from ...hostkit.programs import nginx


@dataclass(frozen=True)
class ReloadNginx(Handler):
    """Reload nginx without dropped connections; start it if it is stopped.

    systemd's reload succeeds even if nginx keeps its old configuration, for instance because another program listens
    on one of its ports.

    :param timeout: limit in seconds for the start of the new workers.
    """

    timeout: float = 10.0

    def describe(self) -> str:
        return "reload nginx"

    def run(self) -> None:
        old = nginx.workers()
        systemctl("reload-or-restart", "nginx")
        deadline = time.monotonic() + self.timeout
        while not (now := nginx.workers()) or now & old:
            if time.monotonic() > deadline:
                raise ResourceError(f"nginx still uses its old configuration: it has no new workers\n{_log()}")
            time.sleep(0.05)


def _log() -> str:
    """Read the last lines of nginx's global error log."""
    return system.tail(filesystem.read("/var/log/nginx/error.log") or b"", 5)
