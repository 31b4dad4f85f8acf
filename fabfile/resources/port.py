"""A TCP port that one systemd service of the host is to have, and no other."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from ..agent import filesystem, system
from ..agent.systemd import systemctl
from .base import Change, Resource, ResourceError

_PATIENCE = 5


@dataclass(frozen=True)
class Port(Resource):
    """That nobody but a unit has a port. What its package has started there by itself is stopped, unless it is in use.

    :param number: the port.
    :param unit: who is to have it, such as redis-server@blog.service.
    :param default: the unit that the package starts by itself.
    :param question: what is sent to that to ask whether anything is in it.
    :param empty: what stands in its answer when nothing is.
    :param setting: the line of the settings that chooses another port.
    """

    number: int
    unit: str
    default: str
    question: str
    empty: str
    setting: str

    def describe(self) -> str:
        return f"port {self.number}"

    def check(self) -> Change | None:
        owner = owner_of(self.number)
        if owner in (None, self.unit):
            return None
        if owner != self.default or self.empty not in self._answer():
            raise ResourceError(
                f"port {self.number} of this host is in use by {owner}, expected it to be free for {self.unit}; "
                f"choose another: `{self.setting}`"
            )
        return Change(f"stopped {self.default}, which nobody uses", self._stop, self._start)

    def _answer(self) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.number), timeout=_PATIENCE) as connection:
                connection.sendall(self.question.encode())
                return connection.recv(65536).decode("utf-8", "replace")
        except OSError:
            return ""

    def _stop(self) -> None:
        systemctl("disable", self.default)
        systemctl("stop", self.default)

    def _start(self) -> None:
        systemctl("enable", self.default)
        systemctl("start", self.default)


def owner_of(port: int) -> str | None:
    """The unit, or else the program, that listens on a TCP port; None when nothing does."""
    listening = system.run(["ss", "-Hltnp", f"sport = :{port}"]).stdout.decode("utf-8", "replace")
    if not listening.strip():
        return None
    found = re.search(r'\("([^"]+)",pid=(\d+)', listening)
    if found is None:
        return "the kernel"
    units = re.findall(r"/([^/\s]+\.service)\b", (filesystem.read(f"/proc/{found[2]}/cgroup") or b"").decode())
    return units[-1] if units else found[1]
