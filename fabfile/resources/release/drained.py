"""Draining of a web host at its balancer during a switch."""

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
    """A server of this host's HAProxy without requests, for as long as the change is held.

    A server that is in maintenance stays so. The last serving one is not drained, since none would be left.

    :param server: its name in HAProxy's configuration.
    :param timeout: seconds that its current requests get to finish; after that a note reports the rest.
    :param socket: HAProxy's stats socket.
    """

    # HAProxy keeps it in memory only while a deploy of the app holds it; apps that share a balancer need not wait.
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
                f"the balancer has no {self.server}, only {known}; `fab provision` adds the hosts in the settings"
            )
        if servers.pop(self.server).status.startswith("MAINT"):
            return None
        if not any(other.serves for other in servers.values()):
            note(f"{self.server} is not drained: no other host of {self.app} is serving")
            return None
        # One that a killed run left drained is a change, too, so that this run undoes it.
        return Change("drained", self._drain, self._put_back)

    def _drain(self) -> None:
        deadline = time.monotonic() + self.timeout
        while (left := self._requests()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            note(f"{self.server} still has {left} unfinished requests after {self.timeout:g} s")

    def _requests(self) -> int:
        # Set each time: a reload resets it, and an earlier one may still be in progress.
        haproxy.set_state(self.app, self.server, "drain", self.socket)
        servers = haproxy.servers(self.app, self.socket)
        return sum(server.sessions for server in servers if server.name == self.server)

    def _put_back(self) -> None:
        # A stopped HAProxy has lost the state.
        with contextlib.suppress(haproxy.NotRunningError):
            haproxy.set_state(self.app, self.server, "ready", self.socket)
