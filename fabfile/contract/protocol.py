"""The protocol between deployers' machines and hosts: its number, and the first line."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Raised whenever something changes that a deployer's machine and the gate of a host must agree on: frames, resources
# that deployers may send, the rules for these, answers and events. `tests/unit/test_protocol.py` keeps a picture of
# all this beside the number and fails when one has changed without the other. Versions of hostsmith that speak one
# protocol get along, whatever else differs; where the numbers differ, nothing is tried.
PROTOCOL = 1

_GREETING = re.compile(rb"hostsmith(?: /\S*)?(?: ([0-9][A-Za-z0-9.+-]{0,40})/([0-9]{1,6}))?\n")


@dataclass(frozen=True)
class Greeting:
    """The first line of a controller.

    :param version: its version of hostsmith; nothing for 0.1.0, which did not send it.
    :param protocol: the protocol that it speaks; 0 for version 0.1.0.
    """

    version: str
    protocol: int


def greeting(folder: str, version: str) -> bytes:
    """Make the first line: where the code is on the host, for the bootstrap, and who speaks, for the gate.

    The gate of 0.1.0 takes the last word after a slash for a fingerprint, and so answers who has to upgrade.
    """
    return f"hostsmith {folder} {version}/{PROTOCOL}\n".encode()


def read_greeting(line: bytes) -> Greeting | None:
    """Read a first line; None when no hostsmith has sent it."""
    found = _GREETING.fullmatch(line)
    return found and Greeting((found[1] or b"").decode("ascii"), int(found[2] or 0))
