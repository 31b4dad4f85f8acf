"""TCP ports for one systemd service, and access to them for one app."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.linux import folders, system
from ...hostkit.linux.systemd import systemctl
from ..file import File

# One table per port, included by the firewall.
GUARDS = "/etc/hostsmith/guards.d"
_PATIENCE = 5
# User ids of services with DynamicUser=.
_DYNAMIC = "61184-65519"


@dataclass(frozen=True)
class Port(Resource):
    """A port for one unit. The unit that its package starts there by default is stopped, unless it is in use.

    :param number: the port.
    :param unit: its owner, such as redis-server@blog.service.
    :param default: the unit that the package starts by default.
    :param question: request that asks the default unit for its data.
    :param empty: text in its answer when it has no data.
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
                f"port {self.number} of this host is in use by {owner}, but {self.unit} needs it; choose another: "
                f"`{self.setting}`"
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
    """Name the unit, or else the program, that listens on a TCP port; None when nothing does."""
    listening = system.run(["ss", "-Hltnp", f"sport = :{port}"]).stdout.decode("utf-8", "replace")
    if not listening.strip():
        return None
    found = re.search(r'\("([^"]+)",pid=(\d+)', listening)
    if found is None:
        return "the kernel"
    try:
        cgroup = Path(f"/proc/{found[2]}/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cgroup = ""
    units = re.findall(r"/([^/\s]+\.service)\b", cgroup)
    return units[-1] if units else found[1]


@dataclass(frozen=True)
class PortGuard(Resource):
    """Access to the port of a service without passwords for root and an app's user only, of all users of this host.

    The rules are loaded as soon as they are written. At boot the firewall loads them, or the service's unit.

    :param name: of the service; the table's name has the prefix `hostsmith-`.
    :param number: the port.
    :param app: the app, whose user may be missing on this host.
    :param servers: addresses of the service's host; empty: this one. Then only a service with DynamicUser= may answer
        on the port, since any user could while the service is stopped.
    """

    name: str
    number: int
    app: str
    servers: tuple[str, ...] = ()

    def describe(self) -> str:
        return f"guard of port {self.number}"

    @property
    def path(self) -> str:
        """The file of the rules."""
        return f"{GUARDS}/{self.name}.nft"

    def check(self) -> Change | None:
        file = File(self.path, self._text(), mode=0o644, owner="root", group="root")
        change = file.check()
        if change is None and self._is_loaded():
            return None

        def apply() -> None:
            if change:
                folders.make(GUARDS)
                change.apply()
            self._load()

        return Change(change.summary if change else "loaded", apply, change.undo if change else None)

    def _text(self) -> str:
        table = f"table inet hostsmith-{self.name}"
        clients = ", ".join(str(uid) for uid in (0, system.uid(self.app)) if uid is not None)
        rules = [f"{way} tcp dport {self.number} meta skuid != {{ {clients} }} reject" for way in self._ways()]
        if not self.servers:
            # The listener sends the second packet of the three-way handshake.
            second = "tcp flags & (syn | ack) == (syn | ack)"
            rules.append(f'oif "lo" tcp sport {self.number} {second} meta skuid != {{ 0, {_DYNAMIC} }} drop')
        lines = "".join(f"        {rule}\n" for rule in rules)
        return (
            f"# Written by hostsmith for {self.app}: who reaches {self.name}.\n"
            f"{table}\ndelete {table}\n{table} {{\n    chain output {{\n"
            f"        type filter hook output priority filter; policy accept;\n{lines}    }}\n}}\n"
        )

    def _ways(self) -> list[str]:
        return [f"{'ip6' if ':' in server else 'ip'} daddr {server}" for server in self.servers] or ['oif "lo"']

    def _is_loaded(self) -> bool:
        argv = ["nft", "list", "table", "inet", f"hostsmith-{self.name}"]
        return system.run(argv, ok=range(256)).returncode == 0

    def _load(self) -> None:
        try:
            system.run(["nft", "--file", self.path])
        except system.CommandError as error:
            raise ResourceError(
                f"{self.name}: nftables cannot keep other users of this host from its port, and it has no passwords; "
                f"use redis, which has\n{error}"
            ) from error
