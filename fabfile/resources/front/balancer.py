"""HAProxy as the balancer of one app, with a verified reload."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass

from ...contract.base import Change, Handler, Resource, ResourceError
from ...hostkit.linux import system
from ...hostkit.linux.systemd import systemctl
from ...hostkit.programs import haproxy

CONFIGURATION = "/etc/haproxy/haproxy.cfg"


@dataclass(frozen=True)
class BalancerOf(Resource):
    """HAProxy's configuration, of which a host has one, as this app's own or free.

    :param path: the configuration, whose first line names its app.
    """

    app: str
    path: str = CONFIGURATION

    def describe(self) -> str:
        return f"balancer of {self.app}"

    def check(self) -> Change | None:
        """Refuse another app's configuration; never a change."""
        line = ""
        with contextlib.suppress(FileNotFoundError), open(self.path, encoding="utf-8", errors="replace") as file:
            line = file.readline()
        found = re.match(r"# (\S+): written by hostsmith", line)
        if found and found[1] != self.app:
            raise ResourceError(
                f"{self.path} belongs to {found[1]}, and a balancer has one app; give {self.app} another host for its "
                f"role lb, or remove the file when {found[1]} is gone"
            )
        return None


@dataclass(frozen=True)
class ReloadHaproxy(Handler):
    """Reload HAProxy without dropped connections; start it if it is stopped.

    systemd's reload succeeds even if the new worker fails to start, for instance because another program listens on
    its port.

    :param timeout: limit in seconds for the start of the new worker.
    """

    timeout: float = 10.0

    def describe(self) -> str:
        return "reload haproxy"

    def run(self) -> None:
        old = haproxy.worker()
        systemctl("reload-or-restart", "haproxy")
        deadline = time.monotonic() + self.timeout
        while haproxy.worker() in (None, old):
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"HAProxy still uses its old configuration: no new worker answers on {haproxy.SOCKET}\n{_log()}"
                )
            time.sleep(0.05)


def _log() -> str:
    """Read the last lines of HAProxy's master process, without the access log."""
    argv = ["journalctl", "--unit=haproxy", "--lines=10", "--no-pager", "--output=cat", "_TRANSPORT=stdout"]
    return system.tail(system.run(argv, ok=range(256)).stdout)
