"""Network of the hosts: a bridge on a free private subnet, and NAT.

Names contain the sandbox's id, so the sandboxes of two projects stay separate.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ..errors import SandboxError
from . import tools
from .store import STATE_ROOT, State, write_file

# Pools of free subnets, least used range first.
_POOLS = (IPv4Network("10.77.0.0/16"), IPv4Network("172.29.0.0/16"), IPv4Network("192.168.192.0/18"))
# About 15 systemd hosts exhaust the kernel's default of 128 inotify instances.
_SYSCTLS = {"net/ipv4/ip_forward": 1, "fs/inotify/max_user_instances": 8192}
_PROC_SYS = Path("/proc/sys")


@dataclass(frozen=True)
class Network:
    """One sandbox's network."""

    id: str
    subnet: IPv4Network

    @property
    def bridge(self) -> str:
        return bridge_name(self.id)

    @property
    def gateway(self) -> str:
        return str(self.subnet.network_address + 1)

    def address(self, octet: int) -> str:
        return str(self.subnet.network_address + octet)

    def free_address(self, taken: Iterable[str]) -> str:
        """Choose a free address.

        :raises SandboxError: all 253 are taken.
        """
        used = set(taken)
        for octet in range(2, 255):
            if self.address(octet) not in used:
                return self.address(octet)
        raise SandboxError(f"all addresses of {self.subnet} are taken; remove hosts: fab sandbox.destroy --name ...")

    def set_up(self, machines: Iterable[str] = ()) -> None:
        """Make the bridge unless it exists, and replace the firewall rules.

        :param machines: running hosts, whose interfaces join a new bridge.
        """
        if not interface_exists(self.bridge):
            tools.call(["ip", "link", "add", self.bridge, "type", "bridge"], what="making the sandbox's bridge")
            for machine in machines:
                port = ["ip", "link", "set", f"vb-{machine}", "master", self.bridge, "up"]
                tools.call(port, what="connecting a running host to the bridge")
        address = f"{self.gateway}/{self.subnet.prefixlen}"
        tools.call(["ip", "address", "replace", address, "dev", self.bridge], what="setting the bridge's address")
        tools.call(["ip", "link", "set", self.bridge, "up"], what="bringing the bridge up")
        # Until a booting host answers ARP, the kernel asks once a second: most of the wait for its SSH server.
        with contextlib.suppress(OSError):  # read-only in some containers; that costs only a second
            (_PROC_SYS / f"net/ipv4/neigh/{self.bridge}/retrans_time_ms").write_text("50\n")
        tools.call(["nft", "-f", "-"], what="allowing the hosts to connect out", stdin=self._rules())
        self._pass_forward_chain()

    def _rules(self) -> str:
        table = f"ip {table_name(self.id)}"
        return (
            f"add table {table}\n"
            f"delete table {table}\n"
            f"table {table} {{\n"
            "  chain postrouting {\n"
            "    type nat hook postrouting priority srcnat;\n"
            f'    ip saddr {self.subnet} oifname != "{self.bridge}" masquerade\n'
            "  }\n"
            "}\n"
        )

    def _pass_forward_chain(self) -> None:
        """Allow the bridge in iptables' FORWARD chain, where Docker and ufw drop unknown traffic."""
        clear_forward_chain(self.id)
        for chain in _dropping_forward_chains():
            for side in ("iifname", "oifname"):
                rule = [*chain, side, self.bridge, "counter", "accept", "comment", f'"{table_name(self.id)}"']
                tools.call(["nft", "insert", "rule", *rule], what="passing the machine's FORWARD chain")


def interface_exists(name: str) -> bool:
    """Whether this machine has a network interface of that name."""
    return any(found == name for _, found in socket.if_nameindex())


def bridge_name(sandbox: str) -> str:
    return f"hs-{sandbox}"


def table_name(sandbox: str) -> str:
    return f"hostsmith_{sandbox}"


def tear_down(sandbox: str) -> None:
    """Remove bridge and rules, as far as they exist."""
    if interface_exists(bridge_name(sandbox)):
        tools.call(["ip", "link", "delete", bridge_name(sandbox)], what="removing the sandbox's bridge")
    if tools.succeeds(["nft", "list", "table", "ip", table_name(sandbox)]):
        tools.call(["nft", "delete", "table", "ip", table_name(sandbox)], what="removing the firewall table")
    clear_forward_chain(sandbox)


def clear_forward_chain(sandbox: str) -> None:
    for rule in _objects("rule", "ruleset"):
        if rule.get("comment") == table_name(sandbox):
            place = [rule["family"], rule["table"], rule["chain"], "handle", str(rule["handle"])]
            tools.call(["nft", "delete", "rule", *place], what="clearing the machine's FORWARD chain")


def _dropping_forward_chains() -> Iterator[list[str]]:
    for chain in _objects("chain", "chains"):
        if chain["family"] in ("ip", "inet") and chain.get("hook") == "forward" and chain.get("policy") == "drop":
            yield [chain["family"], chain["table"], chain["name"]]


def _objects(kind: str, listing: str) -> Iterator[dict[str, str]]:
    document = json.loads(tools.call(["nft", "-j", "list", listing], what="reading the firewall") or "{}")
    for item in document.get("nftables", []):
        if kind in item:
            yield item[kind]


def choose_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Choose the first free /24 of the pools.

    :raises SandboxError: all are taken.
    """
    used = list(taken)
    for pool in _POOLS:
        for subnet in pool.subnets(new_prefix=24):
            if not any(subnet.overlaps(other) for other in used):
                return subnet
    raise SandboxError(
        f"no free /24 subnet for the sandbox: this machine's routes cover {', '.join(map(str, _POOLS))}. "
        "Remove sandboxes of other projects: fab sandbox.destroy"
    )


def taken_subnets(states: Iterable[State]) -> list[IPv4Network]:
    """List subnets in use: this machine's routes and addresses, and other sandboxes, running or not."""
    routes = tools.call(["ip", "-j", "route", "show", "table", "all"], what="reading the routes")
    addresses = tools.call(["ip", "-j", "-4", "address"], what="reading the addresses")
    return [*networks_in(routes, addresses), *(IPv4Network(state.subnet) for state in states)]


def networks_in(routes: str, addresses: str) -> list[IPv4Network]:
    """Parse networks from the JSON of `ip route` and `ip address`; default routes are skipped."""
    found = []
    for route in json.loads(routes or "[]"):
        destination = route.get("dst", "default")
        if destination[:1].isdigit() and ":" not in destination and destination != "0.0.0.0/0":
            found.append(IPv4Network(destination, strict=False))
    for link in json.loads(addresses or "[]"):
        for info in link.get("addr_info", []):
            found.append(IPv4Network(f"{IPv4Address(info['local'])}/{info['prefixlen']}", strict=False))
    return found


def set_kernel(root: Path = STATE_ROOT) -> None:
    """Set the kernel settings that hosts need and save the previous values. Call it with the machine's lock held."""
    record = root / "kernel.json"
    earlier = _earlier(record)
    for name, wanted in _SYSCTLS.items():
        path = _PROC_SYS / name
        found = path.read_text().strip()
        if int(found) < wanted:
            earlier.setdefault(name, found)
            write_file(record, json.dumps({"boot": _boot_id(), "earlier": earlier}).encode(), 0o644)
            try:
                path.write_text(f"{wanted}\n")
            except OSError as error:
                raise SandboxError(
                    f"cannot set {name.replace('/', '.')} to {wanted}: {error.strerror}. Hosts need it; in a "
                    "container, run it privileged, or set it on the machine outside"
                ) from error


def restore_kernel(root: Path = STATE_ROOT) -> None:
    """Restore the kernel settings of before the machine's first sandbox."""
    record = root / "kernel.json"
    for name, value in _earlier(record).items():
        (_PROC_SYS / name).write_text(f"{value}\n")
    record.unlink(missing_ok=True)


def _earlier(record: Path) -> dict[str, str]:
    """Read the saved values; those of an earlier boot are ignored."""
    try:
        document = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return dict(document["earlier"]) if document.get("boot") == _boot_id() else {}


def _boot_id() -> str:
    return (_PROC_SYS / "kernel/random/boot_id").read_text().strip()
