"""HAProxy as the balancer of one app: not another's, and reloaded only when its new worker serves."""

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
    """That HAProxy's configuration is this app's or nobody's: there is one for the host.

    :param path: the configuration, whose first line names its app.
    """

    app: str
    path: str = CONFIGURATION

    def describe(self) -> str:
        return f"balancer of {self.app}"

    def check(self) -> Change | None:
        """Never a change: what is another app's is left to people."""
        line = ""
        with contextlib.suppress(FileNotFoundError), open(self.path, encoding="utf-8", errors="replace") as file:
            line = file.readline()
        found = re.match(r"# (\S+): written by hostsmith", line)
        if found and found[1] != self.app:
            raise ResourceError(
                f"{self.path} is that of {found[1]}, and a balancer has one app; give {self.app} another host for its "
                f"role lb, or remove the file when {found[1]} is gone"
            )
        return None


@dataclass(frozen=True)
class ReloadHaproxy(Handler):
    """Have HAProxy take its new configuration without a drop; it is started if it does not run.

    systemd's reload only asks for it, and is content when the new worker does not come up, for instance because
    another program listens on its port.

    :param timeout: seconds that the new worker may take to serve.
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
                    f"HAProxy goes on with its old configuration: no new worker answers on {haproxy.SOCKET}\n{_log()}"
                )
            time.sleep(0.05)


def _log() -> str:
    """What HAProxy's master wrote last; the access log takes another way to the journal."""
    argv = ["journalctl", "--unit=haproxy", "--lines=10", "--no-pager", "--output=cat", "_TRANSPORT=stdout"]
    return system.tail(system.run(argv, ok=range(256)).stdout)
