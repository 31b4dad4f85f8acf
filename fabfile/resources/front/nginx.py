"""nginx with its new configuration in use, and not merely asked to use it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ...contract.base import Handler, ResourceError
from ...hostkit.linux import filesystem, system
from ...hostkit.linux.systemd import systemctl
from ...hostkit.programs import nginx


@dataclass(frozen=True)
class ReloadNginx(Handler):
    """Have nginx take its new configuration without a drop; it is started if it does not run.

    systemd's reload only asks for it, and is content when nginx goes on as before, for instance because another
    program listens on a port that it should.

    :param timeout: seconds that the new workers may take to serve.
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
                raise ResourceError(f"nginx goes on with its old configuration: it has no new workers\n{_log()}")
            time.sleep(0.05)


def _log() -> str:
    """What nginx's master wrote last: a site's own log has none of it."""
    return system.tail(filesystem.read("/var/log/nginx/error.log") or b"", 5)
