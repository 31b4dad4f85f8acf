"""Waiting until nobody is connected to a Unix socket any more."""

from __future__ import annotations

import time

_LISTENING = 0x10000  # __SO_ACCEPTCON of linux/net.h, in the Flags column of /proc/net/unix


def drain(path: str, timeout: float) -> int:
    """Wait until nobody is connected to a Unix socket any more, or the time is up.

    For a server that gets no new connections. Those that wait to be accepted count: the kernel lists them, too.

    :param timeout: in seconds.
    :returns: how many are left.
    """
    deadline = time.monotonic() + timeout
    while (left := _connections(path)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _connections(path: str) -> int:
    """Connections to a listening Unix socket, from the kernel's table (proc(5), /proc/net/unix)."""
    count = 0
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        for line in table:
            columns = line.split(None, 7)
            if len(columns) == 8 and columns[7].rstrip("\n") == path and not int(columns[3], 16) & _LISTENING:
                count += 1
    return count
