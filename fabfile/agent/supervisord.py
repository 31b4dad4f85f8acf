"""supervisord's XML-RPC interface over its Unix socket: no supervisorctl, whose start costs more than the call."""

from __future__ import annotations

import http.client
import time
import xmlrpc.client
from typing import Any

from ..resources.base import ResourceError
from . import orphans
from .unix_http import UnixConnection

SOCKET = "/var/run/supervisor.sock"
# States of a process that is there; each ends by itself, the last one by SIGKILL after the program's stopwaitsecs.
_ALIVE = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})
# Seconds; far beyond any stopwaitsecs, for a process that the kernel holds.
_STOP_LIMIT = 600.0

# Fault codes of supervisor.xmlrpc.Faults.
ALREADY_ADDED, BAD_NAME = 90, 10


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return UnixConnection(SOCKET)


def call(method: str, *arguments: Any) -> Any:
    """Call `supervisor.<method>`.

    :raises xmlrpc.client.Fault: supervisord refused.
    :raises ResourceError: supervisord does not answer.
    """
    proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(), allow_none=True)
    try:
        return getattr(proxy.supervisor, method)(*arguments)
    except (OSError, http.client.HTTPException) as error:
        raise ResourceError(
            f"supervisord does not answer on {SOCKET} ({error}); `systemctl status supervisor`"
        ) from None


def processes(group: str | None = None) -> list[dict[str, Any]]:
    """What supervisord says of all processes, or of those of one group; fields as in getProcessInfo."""
    found: list[dict[str, Any]] = call("getAllProcessInfo")
    return [process for process in found if group is None or process["group"] == group]


def start_group(group: str) -> None:
    """Add a group that stands in supervisord's configuration files; its programs start as they say."""
    read_configuration()
    try:
        call("addProcessGroup", group)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != ALREADY_ADDED:
            raise ResourceError(f"supervisord does not take the group {group}: {fault.faultString}") from fault
        call("startProcessGroup", group, False)


def read_configuration() -> None:
    """Have supervisord read its files again; this alone changes no running process.

    :raises ResourceError: a file is wrong.
    """
    try:
        call("reloadConfig")
    except xmlrpc.client.Fault as fault:
        raise ResourceError(f"supervisord refuses its configuration: {fault.faultString}") from fault


def stop_group(group: str) -> None:
    """Stop a group's processes, each with its own stop signal and time, and all that they have left; forget it."""
    try:
        call("stopProcessGroup", group, False)
        # supervisord notices that a process has ended when it looks next: once a second, or when somebody asks.
        deadline = time.monotonic() + _STOP_LIMIT
        while any(process["statename"] in _ALIVE for process in processes(group)):
            if time.monotonic() > deadline:
                raise ResourceError(f"the processes of {group} do not end, not even killed; see `supervisorctl status`")
            time.sleep(0.02)
        orphans.end(group)
        call("removeProcessGroup", group)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != BAD_NAME:
            raise ResourceError(f"supervisord cannot stop the group {group}: {fault.faultString}") from fault
