"""supervisord's XML-RPC interface over its Unix socket, faster than supervisorctl."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import time
import xmlrpc.client
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ...contract import events
from ...contract.base import ResourceError
from ..linux.unix_http import UnixConnection
from . import orphans
from .supervisor_config import process_of, stop_seconds, users

SOCKET = "/var/run/supervisor.sock"
# States of a live process; each of them ends by itself, the last one by SIGKILL after the program's stopwaitsecs.
_ALIVE = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})
# Seconds after which a killed process must be stuck in the kernel.
_KILLED_WITHIN = 60.0
# Seconds between two checks, after the first of which a process may have been killed.
_BETWEEN_CHECKS = 0.1
# Seconds after which supervisord is asked again, though no process has ended.
_CHECK = 0.5
# Seconds after which the reason for waiting is shown.
_WORTH_SHOWING = 1.0

# Fault codes of supervisor.xmlrpc.Faults.
ALREADY_ADDED, BAD_NAME, NOT_RUNNING = 90, 10, 70


class _SocketTransport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return UnixConnection(SOCKET)


def call(method: str, *arguments: Any) -> Any:
    """Call `supervisor.<method>`.

    :raises xmlrpc.client.Fault: supervisord refused.
    :raises ResourceError: supervisord does not answer.
    """
    proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_SocketTransport(), allow_none=True)
    try:
        return getattr(proxy.supervisor, method)(*arguments)
    except (OSError, http.client.HTTPException) as error:
        raise ResourceError(
            f"supervisord does not answer on {SOCKET} ({error}); `systemctl status supervisor`"
        ) from None


def processes(group: str | None = None) -> list[dict[str, Any]]:
    """Return supervisord's information on all processes, or on those of one group; fields as in getProcessInfo."""
    found: list[dict[str, Any]] = call("getAllProcessInfo")
    return [process for process in found if group is None or process["group"] == group]


def start_group(group: str) -> None:
    """Add a group from supervisord's configuration files; its programs start as configured there."""
    read_configuration()
    try:
        call("addProcessGroup", group)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != ALREADY_ADDED:
            raise ResourceError(f"supervisord rejects the group {group}: {fault.faultString}") from fault
        call("startProcessGroup", group, False)


def read_configuration() -> None:
    """Make supervisord read its files again; this alone changes no running process.

    :raises ResourceError: a file is invalid.
    """
    try:
        call("reloadConfig")
    except xmlrpc.client.Fault as fault:
        raise ResourceError(f"supervisord rejects its configuration: {fault.faultString}") from fault


def stop_group(group: str, config: str) -> None:
    """Stop one group, like `stop_groups`."""
    stop_groups({group: config})


def stop_groups(groups: Mapping[str, str]) -> None:
    """Stop the processes of groups, each with its stop signal and time, and their orphans; remove the groups.

    All get the signal at once, and have until the longest of their times to finish current work. A group that
    supervisord does not know is skipped.

    :param groups: each with its configuration file, which supervisord does not report for a running group.
    """
    known = {process["group"] for process in processes()}
    for group in groups:
        # A group without a process is not listed, but has to be removed as well.
        _ask(group, "stopProcessGroup", group, False)
    begin = time.monotonic()
    limits = {name: limit for config in groups.values() for name, limit in stop_seconds(config).items()}
    _wait_for_the_end(groups, limits)
    for group, config in groups.items():
        if group in known:
            orphans.end(group, users(config), begin + max(limits.values(), default=0.0) - time.monotonic())
        _ask(group, "removeProcessGroup", group)


def stop_processes(group: str, config: str, names: Sequence[str]) -> None:
    """Stop some processes of a group like `stop_groups`, but keep the group."""
    for name in names:
        try:
            call("stopProcess", f"{group}:{name}", False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != NOT_RUNNING:
                raise ResourceError(f"supervisord cannot stop {name}: {fault.faultString}") from fault
    _wait_for_the_end([group], stop_seconds(config), names)


def _until_one_ends(pids: Iterable[int]) -> None:
    """Wait until one of these processes has ended, or for half a second, to ask supervisord rarely.

    It does not wait when one has ended already, or when the kernel (before 5.3) or Python has no pidfd.
    """
    poll = select.poll()
    with contextlib.ExitStack() as files, contextlib.suppress(OSError, AttributeError):
        for pid in pids:
            file = os.pidfd_open(pid)
            files.callback(os.close, file)
            poll.register(file, select.POLLIN)
        poll.poll(1000 * _CHECK)


def _ask(group: str, method: str, *arguments: Any) -> None:
    try:
        call(method, *arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != BAD_NAME:
            raise ResourceError(f"supervisord cannot stop the group {group}: {fault.faultString}") from fault


def _wait_for_the_end(groups: Collection[str], limits: Mapping[str, float], names: Sequence[str] | None = None) -> None:
    """Wait for processes that got the stop signal; supervisord kills them when their time is up.

    It notices the end of a process once a second, or when asked.

    :param limits: seconds that each process gets.
    :param names: processes that got the signal; None for all.
    """

    def alive() -> dict[str, int]:
        found = [p for p in processes() if p["group"] in groups and p["statename"] in _ALIVE]
        return {p["name"]: p["pid"] for p in found if names is None or p["name"] in names}

    begin = time.monotonic()
    seen: dict[str, float] = {}
    shown: list[str] = []
    while left := list(there := alive()):
        waited = time.monotonic() - begin
        limit = max(limits.get(process_of(name), 0.0) for name in left)
        if waited > limit + _KILLED_WITHIN:
            raise ResourceError(f"{', '.join(left)} survived SIGKILL; see `supervisorctl status`")
        if waited > _WORTH_SHOWING and left != shown:
            events.at_work(f"waiting up to {limit:g} s for {', '.join(left)} to finish")
            shown = left
        _until_one_ends(there.values())
        seen.update(dict.fromkeys(left, time.monotonic() - begin))
        time.sleep(0.02)
    for name, waited in seen.items():
        limit = limits.get(process_of(name), 0.0)
        if waited > limit - _BETWEEN_CHECKS:
            events.note(f"killed {name}, which did not end within {limit:g} s")
