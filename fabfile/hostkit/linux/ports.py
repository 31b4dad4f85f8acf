"""Ports on which programs of this host listen for other machines."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection

from . import filesystem, sshd, system

# SSH has its own rule in the firewall; a DHCP client listens, and separate rules let its answers in.
_DHCP = ("68/udp", "546/udp")


def unknown(known: Collection[str]) -> str:
    """List what listens for others besides SSH and these ports, such as "postgres on 5432/tcp"; "" for nothing.

    :param known: ports such as "80/tcp".
    """
    expected = {*known, *_of_all_apps(), *_DHCP, *(f"{port}/tcp" for port in sshd.ports())}
    return ", ".join(f"{name} on {place}" for place, name in sorted(listening().items()) if place not in expected)


def _of_all_apps() -> set[str]:
    """List the ports that the firewall opens for the apps already provisioned here."""
    texts = ((filesystem.read(path) or b"").decode() for path in glob.glob("/etc/hostsmith/firewall.d/*.nft"))
    rules = (found for text in texts for found in re.findall(r"^(tcp|udp) dport (\d+) ", text, re.MULTILINE))
    return {f"{port}/{protocol}" for protocol, port in rules}


def listening() -> dict[str, str]:
    """List the ports open to other machines, such as "80/tcp", with the name of the program."""
    found = {}
    for line in system.run(["ss", "-Hltunp"]).stdout.decode("utf-8", "replace").splitlines():
        protocol, _, _, _, local, *rest = line.split()
        address, _, port = local.rpartition(":")
        address = address.strip("[]").partition("%")[0]
        if address.startswith(("127.", "::1", "::ffff:127.")):
            continue
        program = re.search(r'users:\(\("([^"]+)"', " ".join(rest))
        found[f"{port}/{protocol}"] = program[1] if program else "the kernel"
    return found
