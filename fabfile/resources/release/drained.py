"""A web host that its balancer gives no new requests, while it switches to another release."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import ClassVar

from ...contract.base import Change, Resource, ResourceError
from ...contract.events import note
from ...hostkit.programs import haproxy


@dataclass(frozen=True)
class Drained(Resource):
    """That a server of this host's HAProxy works on no request and gets none; for as long as the change is held.

    One that somebody has put into maintenance stays as it is, and so does the last one that serves: draining it would
    leave nobody to answer.

    :param server: its name in HAProxy's configuration.
    :param timeout: seconds that the requests that it works on may take; then the change is made, and says so.
    :param socket: HAProxy's stats socket.
    """

    # HAProxy keeps it in memory, for as long as a deploy of the app holds it; apps that share a balancer do not wait.
    lasts: ClassVar[bool] = False

    app: str
    server: str
    timeout: float
    socket: str = haproxy.SOCKET

    def describe(self) -> str:
        return f"drained {self.server}"

    def check(self) -> Change | None:
        servers = {server.name: server for server in haproxy.servers(self.app, self.socket)}
        if self.server not in servers:
            known = ", ".join(servers) or "none"
            raise ResourceError(
                f"the balancer knows no {self.server}, only {known}; `fab provision` gives it the hosts of the settings"
            )
        if servers.pop(self.server).status.startswith("MAINT"):
            return None
        if not any(other.serves for other in servers.values()):
            note(f"{self.server} is not drained: no other host of {self.app} serves")
            return None
        # One that a killed run has left drained is a change, too: so that it is put back this time.
        return Change("drained", self._drain, self._put_back)

    def _drain(self) -> None:
        deadline = time.monotonic() + self.timeout
        while (left := self._requests()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            note(f"{self.server} still works on {left} requests after {self.timeout:g} s")

    def _requests(self) -> int:
        # Told each time: HAProxy forgets it in a reload, and one that was asked for just before may still go on.
        haproxy.set_state(self.app, self.server, "drain", self.socket)
        servers = haproxy.servers(self.app, self.socket)
        return sum(server.sessions for server in servers if server.name == self.server)

    def _put_back(self) -> None:
        # One that does not run has forgotten it.
        with contextlib.suppress(haproxy.NotRunningError):
            haproxy.set_state(self.app, self.server, "ready", self.socket)
