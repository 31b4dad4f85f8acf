"""The host's firewall: an nftables table of hostsmith's, loaded at once and at boot."""

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
    """hostsmith's table. With another firewall, or in a container without rights, only a note is shown.

    :param opens: open ports besides SSH, such as "80/tcp", so that a note can list those that it closes.
    """

    opens: tuple[str, ...] = ()

    def check(self) -> Change | None:
        if reason := not_ours():
            note(f"no firewall set up: {reason}; `hardening: {{firewall: false}}` removes this note")
            return None
        change = super().check()
        if change and not is_loaded() and (shut := ports.unknown(self.opens)):
            note(f"the firewall closes ports that are in use: {shut}; `firewall: {{allow: [...]}}` keeps them open")
        return change


@dataclass(frozen=True)
class FirewallLoaded(Resource):
    """hostsmith's table in the kernel, now and after a boot; the handler of its group loads it."""

    def describe(self) -> str:
        return f"table {_TABLE}"

    def check(self) -> Change | None:
        if is_loaded() and os.path.lexists(_AT_BOOT):
            return None
        return Change("loaded", lambda: None)


@dataclass(frozen=True)
class LoadFirewall(Handler):
    """Replace hostsmith's table in the kernel with the file's, in one step; remove it when there is no file."""

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
    """A firewall, hostsmith's or another one, as a condition for a service that listens for other hosts.

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
            f"{self.service} would listen for other hosts, and there is no firewall: {why}. If something else protects "
            "this host, such as your provider's firewall, set `hardening: {firewall: false}`"
        )


def is_guarded() -> bool:
    """Whether a firewall drops unknown input, by IPv4 and by IPv6."""
    try:
        families = {table.split()[0] for table, policy in _inputs() if policy == "drop" or table == "inet firewalld"}
        return (
            "inet" in families or {"ip", "ip6"} <= families or b"Status: active" in system.run(["ufw", "status"]).stdout
        )
    except system.CommandError:
        return False


def is_loaded() -> bool:
    """Whether the kernel has hostsmith's table."""
    return any(table == _TABLE for table, _ in _inputs())


def not_ours() -> str | None:
    """Return why hostsmith must not set up a firewall on this host; None when it may."""
    if re.search(rb"^ENABLED=yes", filesystem.read("/etc/ufw/ufw.conf") or b"", re.MULTILINE):
        return "ufw is active here, so open its ports yourself (`ufw allow 80,443/tcp`), or run `ufw disable`"
    try:
        inputs = _inputs()
    except system.CommandError as error:
        if kind := container():
            return f"this container ({kind}) may not have one: {str(error).splitlines()[-1]}"
        raise
    for table, policy in inputs:
        if table != _TABLE and (policy == "drop" or table == "inet firewalld"):
            return (
                f"the table {table} already filters input here, so open its ports yourself, or remove it "
                f"(`nft list table {table}` shows it)"
            )
    return None


def _inputs() -> list[tuple[str, str]]:
    """List each table that filters input, with its policy; none where nft is not installed yet."""
    if not os.path.exists("/usr/sbin/nft"):
        return []
    listing = system.run(["nft", "list", "chains"]).stdout.decode("utf-8", "replace")
    found, table = [], ""
    for match in _CHAIN.finditer(listing):
        table = match[1] or table
        if match[2]:
            found.append((table, match[2]))
    return found
