"""supervisord's XML-RPC interface over its Unix socket: no supervisorctl, whose start costs more than the call."""

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
# States of a process that is there; each ends by itself, the last one by SIGKILL after the program's stopwaitsecs.
_ALIVE = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})
# Seconds after which a process that was killed is one that the kernel holds.
_KILLED_WITHIN = 60.0
# Seconds by which one may have been killed after it was seen last.
_BETWEEN_LOOKS = 0.1
# Seconds after which supervisord is asked again, though no process has ended.
_LOOK = 0.5
# Seconds after which people want to know what is waited for.
_WORTH_TELLING = 1.0

# Fault codes of supervisor.xmlrpc.Faults.
ALREADY_ADDED, BAD_NAME, NOT_RUNNING = 90, 10, 70


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


def stop_group(group: str, config: str) -> None:
    """As `stop_groups`, for a single one."""
    stop_groups({group: config})


def stop_groups(groups: Mapping[str, str]) -> None:
    """Stop the processes of groups, each with its own stop signal and time, and all that they have left; forget them.

    They are asked all at once, and have until the longest of their times to finish what they are at. A group that
    supervisord does not know is passed over.

    :param groups: with the file that each was read from: supervisord tells of those only that it would read now.
    """
    known = {process["group"] for process in processes()}
    for group in groups:
        # One whose programs have no process now is not listed, and has to be forgotten as well.
        _ask(group, "stopProcessGroup", group, False)
    begin = time.monotonic()
    limits = {name: limit for config in groups.values() for name, limit in stop_seconds(config).items()}
    _wait_for_the_end(groups, limits)
    for group, config in groups.items():
        if group in known:
            orphans.end(group, users(config), begin + max(limits.values(), default=0.0) - time.monotonic())
        _ask(group, "removeProcessGroup", group)


def stop_processes(group: str, config: str, names: Sequence[str]) -> None:
    """Stop some processes of a group as `stop_groups` does, and keep the group."""
    for name in names:
        try:
            call("stopProcess", f"{group}:{name}", False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != NOT_RUNNING:
                raise ResourceError(f"supervisord cannot stop {name}: {fault.faultString}") from fault
    _wait_for_the_end([group], stop_seconds(config), names)


def _until_one_ends(pids: Iterable[int]) -> None:
    """Wait until one of these processes has ended, but not for long: supervisord has work of its own than to be asked.

    It does not wait at all when one has gone already, or kernel (before 5.3) or Python cannot tell.
    """
    poll = select.poll()
    with contextlib.ExitStack() as files, contextlib.suppress(OSError, AttributeError):
        for pid in pids:
            file = os.pidfd_open(pid)
            files.callback(os.close, file)
            poll.register(file, select.POLLIN)
        poll.poll(1000 * _LOOK)


def _ask(group: str, method: str, *arguments: Any) -> None:
    try:
        call(method, *arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != BAD_NAME:
            raise ResourceError(f"supervisord cannot stop the group {group}: {fault.faultString}") from fault


def _wait_for_the_end(groups: Collection[str], limits: Mapping[str, float], names: Sequence[str] | None = None) -> None:
    """Wait for processes that were asked to end; supervisord kills them when their time is up.

    It notices that one has ended when it looks next: once a second, or when somebody asks.

    :param limits: seconds that each process has.
    :param names: those of the groups that were asked; None for all.
    """

    def alive() -> dict[str, int]:
        found = [p for p in processes() if p["group"] in groups and p["statename"] in _ALIVE]
        return {p["name"]: p["pid"] for p in found if names is None or p["name"] in names}

    begin = time.monotonic()
    seen: dict[str, float] = {}
    told: list[str] = []
    while left := list(there := alive()):
        waited = time.monotonic() - begin
        limit = max(limits.get(process_of(name), 0.0) for name in left)
        if waited > limit + _KILLED_WITHIN:
            raise ResourceError(f"{', '.join(left)} do not end, not even killed; see `supervisorctl status`")
        if waited > _WORTH_TELLING and left != told:
            events.at_work(f"{', '.join(left)} may finish, for {limit:g} s at most")
            told = left
        _until_one_ends(there.values())
        seen.update(dict.fromkeys(left, time.monotonic() - begin))
        time.sleep(0.02)
    for name, waited in seen.items():
        limit = limits.get(process_of(name), 0.0)
        if waited > limit - _BETWEEN_LOOKS:
            events.note(f"{name} did not end within {limit:g} s, and had to be killed")
