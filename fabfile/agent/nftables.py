"""The kernel's nftables, asked over netlink(7): which tables filter what comes in. Changing them is the work of nft."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_GET_CHAIN, _NEW_CHAIN = 10 << 8 | 4, 10 << 8 | 3
_REQUEST_DUMP, _CHANGED_AMID = 0x301, 0x10
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
# What is of interest of a chain, and of its hook.
_TABLE, _HOOK, _POLICY = 1, 4, 5
_NUMBER = 1
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
# The number of the hook that is called input: that of ARP has another one, and network devices have none.
_INPUTS = {"inet": 1, "ip": 1, "ip6": 1, "bridge": 1, "arp": 0}
_POLICIES = {0: "drop", 1: "accept"}
_TRIES = 10


def inputs() -> list[tuple[str, str]]:
    """Each table with a chain that filters what comes in, such as "inet filter", and the policy of that chain.

    :raises OSError: the kernel has no nftables, or does not let this process ask.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(_ChangedError):
            return [found for chain in _chains() if (found := _input(chain))]
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class _ChangedError(Exception):
    """Something has changed while it was told."""


def _chains() -> Iterator[bytes]:
    """What the kernel tells of each chain."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
        kernel.settimeout(10)
        # Of all families; version and resource are not used.
        kernel.send(_HEADER.pack(20, _GET_CHAIN, _REQUEST_DUMP, 1, 0) + bytes(4))
        while data := kernel.recv(1 << 20):
            while data:
                size, kind, flags, _, _ = _HEADER.unpack_from(data)
                content, data = data[_HEADER.size : size], data[size + -size % 4 :]
                if flags & _CHANGED_AMID:
                    raise _ChangedError
                if kind == _NEW_CHAIN:
                    yield content
                elif kind in (_ERROR, _DONE):
                    if code := -struct.unpack_from("=i", content)[0]:
                        raise OSError(code, os.strerror(code))
                    return


def _input(chain: bytes) -> tuple[str, str] | None:
    """The table and policy of a chain that filters what comes in; None when it is another one."""
    family, parts = _FAMILIES.get(chain[0], ""), _attributes(chain[4:])
    if _HOOK not in parts or _big(_attributes(parts[_HOOK])[_NUMBER]) != _INPUTS.get(family):
        return None
    return f"{family} {parts[_TABLE].rstrip(bytes(1)).decode()}", _POLICIES[_big(parts[_POLICY])]


def _attributes(data: bytes) -> dict[int, bytes]:
    """What a message is made of, by kind; the two highest bits of a kind say how it is made."""
    found = {}
    while data:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[size + -size % 4 :]
    return found


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")
