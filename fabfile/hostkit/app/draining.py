"""Draining of the connections to a Unix socket."""

from __future__ import annotations

import time

_LISTENING = 0x10000  # __SO_ACCEPTCON of linux/net.h, in the Flags column of /proc/net/unix


def drain(path: str, timeout: float) -> int:
    """Wait until a Unix socket has no connections, or until a timeout.

    For a server that gets no new connections. Those not yet accepted count, since the kernel lists them, too.

    :param timeout: in seconds.
    :returns: the number of connections left.
    """
    deadline = time.monotonic() + timeout
    while (left := _connections(path)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _connections(path: str) -> int:
    """Count the connections to a listening Unix socket, by the kernel's table (proc(5), /proc/net/unix)."""
    count = 0
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        for line in table:
            columns = line.split(None, 7)
            if len(columns) == 8 and columns[7].rstrip("\n") == path and not int(columns[3], 16) & _LISTENING:
                count += 1
    return count
