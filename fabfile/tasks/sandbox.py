"""`fab sandbox.*`: disposable local VPSes for this project."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import sandbox as sandboxes
from ..fab.task import JSON, TaskCall, task
from ..settings.fabric_config import project_folder

if TYPE_CHECKING:
    from ..sandbox import Sandbox, SandboxHost

_STYLES = {"running": "green", "stopped": "dim"}


@task(
    JSON,
    hosts=False,
    help={
        "count": "How many hosts: sandbox-1 to sandbox-<count>; by default, the existing ones, or one.",
        "suite": "Distribution of new hosts: bookworm, trixie, noble, ...; by default, that of this machine.",
    },
)
def up(call: TaskCall, count: int | None = None, suite: str | None = None) -> list[SandboxHost]:
    """Boot disposable hosts on this machine for rehearsals."""
    hosts = _sandbox(call).up(_number(count), suite, progress=_progress(call))
    _show(call, hosts)
    call.console.say(f"\nNext: fab -H {','.join(host.name for host in hosts)} provision deploy", style="dim")
    return hosts


@task(JSON, hosts=False, name="list")
def list_(call: TaskCall) -> list[SandboxHost]:
    """List this project's disposable hosts."""
    hosts = _sandbox(call).hosts()
    _show(call, hosts, "no sandbox hosts; `fab sandbox.up` makes the first")
    return hosts


@task(JSON, hosts=False)
def down(call: TaskCall) -> list[SandboxHost]:
    """Shut the disposable hosts down; their disks stay."""
    sandbox = _sandbox(call)
    sandbox.down()
    hosts = sandbox.hosts()
    _show(call, hosts, "no sandbox hosts to shut down")
    return hosts


@task(
    JSON,
    hosts=False,
    help={
        "name": "Remove only this host.",
        "gone": "Remove also the hosts of projects whose folder no longer exists.",
    },
)
def destroy(call: TaskCall, name: str | None = None, gone: bool = False) -> list[str]:
    """Remove the disposable hosts and everything they left on this machine."""
    sandbox = _sandbox(call)
    removed = [name] if name else [host.name for host in _readable_hosts(sandbox)]
    sandbox.destroy(name)
    for abandoned in sandboxes.abandoned() if gone else ():
        removed += [f"{abandoned.project}: {host.name}" for host in abandoned.hosts()]
        abandoned.destroy()
    if not name:
        sandboxes.remove_unused_bases()
    call.document["removed"] = removed
    call.console.say("\n".join(f"removed {one}" for one in removed) or "no sandbox hosts to remove")
    return removed


def _sandbox(call: TaskCall) -> Sandbox:
    return sandboxes.Sandbox(project_folder(call.c.config))


def _readable_hosts(sandbox: Sandbox) -> list[SandboxHost]:
    """The hosts as far as they are known: a damaged state must not keep a sandbox from being removed."""
    from ..errors import SandboxError

    try:
        return sandbox.hosts()
    except SandboxError:
        return []


def _number(count: object) -> int | None:
    """Read --count; Invoke passes text for an option without a default.

    :raises UsageError: it is not a number.
    """
    from ..errors import UsageError

    try:
        return None if count is None else int(str(count))
    except ValueError:
        raise UsageError(f"--count is {count!r}, expected a number of hosts, like 2") from None


def _progress(call: TaskCall) -> Callable[[str], None]:
    """Choose the output for progress: standard error beside a JSON document."""

    def to_stderr(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    return to_stderr if call.json else call.console.say


def _show(call: TaskCall, hosts: list[SandboxHost], none: str = "") -> None:
    """List hosts.

    :param none: shown when there are none.
    """
    call.document["hosts"] = [asdict(host) for host in hosts]
    if not hosts:
        call.console.say(none)
        return
    rows = [(host.name, host.address, host.suite, host.state, host.image or "") for host in hosts]
    images = any(host.image for host in hosts)
    columns = ("HOST", "ADDRESS", "SUITE", "STATE", "IMAGE")
    width = 5 if images else 4
    call.console.table(columns[:width], [row[:width] for row in rows], [_STYLES[host.state] for host in hosts])


ns = Collection("sandbox", up, list_, down, destroy)
