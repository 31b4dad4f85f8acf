"""The host's own firewall: a table of nftables beside those of others, loaded at once and at boot."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ...contract.base import Change, Handler, Resource, ResourceError
from ...contract.events import note
from ...hostkit.linux import filesystem, ports, system
from ...hostkit.linux.container import container
from ...hostkit.linux.systemd import systemctl
from ..proven import Proven

RULES = "/etc/hostsmith/firewall.nft"
APPS = "/etc/hostsmith/firewall.d"
UNIT = "hostsmith-firewall.service"
_TABLE = "inet hostsmith"
_AT_BOOT = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"
_CHAIN = re.compile(r"^table (\S+ \S+) \{$|hook input priority [^;]+; policy (\w+);", re.MULTILINE)


@dataclass(frozen=True)
class Firewall(Proven):
    """Our table. Where another firewall is at work, or a container may have none, nothing is done and that is told.

    :param opens: what it lets in besides SSH, such as "80/tcp", so that what it is about to shut can be told.
    """

    opens: tuple[str, ...] = ()

    def check(self) -> Change | None:
        if reason := not_ours():
            note(f"no firewall of ours: {reason}; `hardening: {{firewall: false}}` ends this note")
            return None
        change = super().check()
        if change and not is_loaded() and (shut := ports.unknown(self.opens)):
            note(f"the firewall shuts what listens here for others: {shut}; `firewall: {{allow: [...]}}` keeps it open")
        return change


@dataclass(frozen=True)
class FirewallLoaded(Resource):
    """That the kernel has our table, now and after a boot; what loads it is the handler of its group."""

    def describe(self) -> str:
        return f"table {_TABLE}"

    def check(self) -> Change | None:
        if is_loaded() and os.path.lexists(_AT_BOOT):
            return None
        return Change("loaded", lambda: None)


@dataclass(frozen=True)
class LoadFirewall(Handler):
    """Have the kernel replace our table by what the file says, in one step; take it away when there is no file."""

    def describe(self) -> str:
        return "load firewall"

    def run(self) -> None:
        if os.path.exists(RULES):
            if not os.path.lexists(_AT_BOOT):
                systemctl("enable", UNIT)
            systemctl("reload-or-restart", UNIT)
            return
        filesystem.remove(_AT_BOOT)
        system.run(["systemctl", "stop", UNIT], ok=range(256))
        if is_loaded():
            system.run(["nft", "delete", "table", *_TABLE.split()])


@dataclass(frozen=True)
class Guarded(Resource):
    """That a firewall, ours or another, is in effect before a service listens for other hosts.

    :param service: its name.
    """

    service: str

    def describe(self) -> str:
        return f"firewall before {self.service}"

    def check(self) -> Change | None:
        if is_guarded():
            return None
        why = not_ours() or "it is not loaded"
        raise ResourceError(
            f"{self.service} would listen for other hosts, and there is no firewall: {why}. If something else keeps "
            "strangers from this host, such as your provider, say `hardening: {firewall: false}`"
        )


def is_guarded() -> bool:
    """Whether some firewall drops what comes in that it was not told of, by IPv4 and by IPv6."""
    try:
        families = {table.split()[0] for table, policy in _inputs() if policy == "drop" or table == "inet firewalld"}
        return (
            "inet" in families or {"ip", "ip6"} <= families or b"Status: active" in system.run(["ufw", "status"]).stdout
        )
    except system.CommandError:
        return False


def is_loaded() -> bool:
    """Whether the kernel has our table."""
    return any(table == _TABLE for table, _ in _inputs())


def not_ours() -> str | None:
    """Why the firewall of this host is none of our business; None when it is."""
    if re.search(rb"^ENABLED=yes", filesystem.read("/etc/ufw/ufw.conf") or b"", re.MULTILINE):
        return "ufw is at work here, so open its ports yourself (`ufw allow 80,443/tcp`), or say `ufw disable`"
    try:
        inputs = _inputs()
    except system.CommandError as error:
        if kind := container():
            return f"this container ({kind}) may not have one: {str(error).splitlines()[-1]}"
        raise
    for table, policy in inputs:
        if table != _TABLE and (policy == "drop" or table == "inet firewalld"):
            return (
                f"the table {table} filters what comes in here already, so open its ports yourself, or remove it "
                f"(`nft list table {table}` shows it)"
            )
    return None


def _inputs() -> list[tuple[str, str]]:
    """Each table that filters what comes in, with its policy; none where nft is not installed yet."""
    if not os.path.exists("/usr/sbin/nft"):
        return []
    told = system.run(["nft", "list", "chains"]).stdout.decode("utf-8", "replace")
    found, table = [], ""
    for match in _CHAIN.finditer(told):
        table = match[1] or table
        if match[2]:
            found.append((table, match[2]))
    return found
