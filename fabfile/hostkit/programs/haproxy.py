"""HAProxy's stats socket: its worker, and the states of its servers."""

from __future__ import annotations

import csv
import re
import socket
from dataclasses import dataclass

from ...contract.base import ResourceError

SOCKET = "/run/haproxy/admin.sock"
_TIMEOUT = 10.0


class NotRunningError(ResourceError):
    """HAProxy is not running: nothing listens on the stats socket."""


@dataclass(frozen=True)
class ServerState:
    """The state of a backend's server, from `show stat`.

    :param status: "UP", "DOWN", "DRAIN" or "MAINT", or a transition such as "DOWN 1/2".
    :param sessions: current requests.
    :param since: seconds since it went up or down.
    :param check: result of the last health check, such as "L7OK" or "L4TOUT".
    """

    name: str
    status: str
    sessions: int
    weight: int
    since: int
    check: str

    @property
    def serves(self) -> bool:
        """Whether it gets new requests."""
        return self.status.startswith("UP")


def servers(backend: str, path: str = SOCKET) -> list[ServerState]:
    """List the servers of a backend; none when there is no such backend."""
    rows = csv.DictReader(_ask("show stat -1 4 -1", path).removeprefix("# ").splitlines())
    return [
        ServerState(
            row["svname"],
            row["status"],
            int(row["scur"]),
            int(row["weight"]),
            int(row["lastchg"] or 0),
            row["check_status"].removeprefix("* "),
        )
        for row in rows
        if row["pxname"] == backend
    ]


def set_state(backend: str, server: str, state: str, path: str = SOCKET) -> None:
    """Set a server to `drain`, without new requests, or to `ready`.

    :raises ResourceError: there is no such server.
    """
    answer = _ask(f"set server {backend}/{server} state {state}", path).strip()
    if answer:
        raise ResourceError(f"HAProxy: {backend}/{server}: {answer}")


def worker(path: str = SOCKET) -> int | None:
    """Return the process id of the serving worker; None when there is none."""
    try:
        found = re.search(r"^Pid: (\d+)$", _ask("show info", path), re.MULTILINE)
    except NotRunningError:
        return None
    return int(found[1]) if found else None


def _ask(command: str, path: str) -> str:
    """Send a command to HAProxy and return its answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT)
            connection.connect(path)
            connection.sendall(f"{command}\n".encode())
            with connection.makefile("rb") as answer:
                return answer.read().decode("utf-8", "replace")
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunningError(
            f"HAProxy is not running: nothing listens on {path}; `systemctl status haproxy`"
        ) from None
    except OSError as error:
        raise ResourceError(f"HAProxy does not answer on {path}: {error}; `systemctl status haproxy`") from None
