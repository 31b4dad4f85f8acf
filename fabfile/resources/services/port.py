"""A TCP port that one systemd service of the host is to have, and that one app is to reach, and no other."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.linux import filesystem, system
from ...hostkit.linux.systemd import systemctl
from ..file import File

# Tables of a port each, which the firewall includes.
GUARDS = "/etc/hostsmith/guards.d"
_PATIENCE = 5
# The users that systemd makes for services with DynamicUser=.
_DYNAMIC = "61184-65519"


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
    try:
        cgroup = Path(f"/proc/{found[2]}/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cgroup = ""
    units = re.findall(r"/([^/\s]+\.service)\b", cgroup)
    return units[-1] if units else found[1]


@dataclass(frozen=True)
class PortGuard(Resource):
    """That of the users of this host only an app's, and root, reach a port of a service that knows no passwords.

    The rules are in the kernel as soon as they are written. At boot the firewall brings them, or the service's unit.

    :param name: of the service; with `hostsmith-` in front, of the table.
    :param number: the port.
    :param app: the app, whose user need not be on this host.
    :param servers: addresses of the service's host; empty: this one. Then also nobody but a service that systemd
        started with DynamicUser= answers on the port, as anybody could while that does not run.
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
                filesystem.make_folder(GUARDS)
                change.apply()
            self._load()

        return Change(change.summary if change else "loaded", apply, change.undo if change else None)

    def _text(self) -> str:
        table = f"table inet hostsmith-{self.name}"
        clients = ", ".join(str(uid) for uid in (0, system.uid(self.app)) if uid is not None)
        rules = [f"{way} tcp dport {self.number} meta skuid != {{ {clients} }} reject" for way in self._ways()]
        if not self.servers:
            # Whoever listens sends the second of the three packets that make a connection.
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
                f"{self.name}: nftables cannot keep other users of this host from its port, and it knows no passwords; "
                f"ask for redis, which does\n{error}"
            ) from error
