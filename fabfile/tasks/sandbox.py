"""`fab sandbox.*`: disposable local VPSes for this project."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from invoke.collection import Collection

from .. import sandbox as sandboxes
from ..console import Console, print_json
from ..fab.task import task
from ..settings.fabric_config import project_folder

if TYPE_CHECKING:
    from invoke.context import Context

    from ..sandbox import Host, Sandbox

_JSON = "Print one JSON document instead of a table."
_STYLES = {"running": "green", "stopped": "dim"}


@task(
    help={
        "count": "How many hosts: sandbox-1 to sandbox-<count>. Without it: those there are, or one.",
        "suite": "What a new host runs: bookworm, trixie, noble, ... Without it: what this machine runs.",
        "json": _JSON,
    }
)
def up(c: Context, count: int | None = None, suite: str | None = None, json: bool = False) -> list[Host]:
    """Boot disposable hosts on this machine, to rehearse on."""
    hosts = _sandbox(c).up(_number(count), suite, progress=_progress(json))
    if json:
        _print_json(hosts)
        return hosts
    console = Console()
    _print(console, hosts)
    console.say(f"\nNext: fab -H {','.join(host.name for host in hosts)} provision deploy", style="dim")
    return hosts


@task(name="list", help={"json": _JSON})
def list_(c: Context, json: bool = False) -> list[Host]:
    """List this project's disposable hosts."""
    hosts = _sandbox(c).hosts()
    if json:
        _print_json(hosts)
    elif hosts:
        _print(Console(), hosts)
    else:
        Console().say("no sandbox hosts; `fab sandbox.up` makes the first")
    return hosts


@task(help={"json": _JSON})
def down(c: Context, json: bool = False) -> list[Host]:
    """Shut the disposable hosts down; their disks stay."""
    sandbox = _sandbox(c)
    sandbox.down()
    hosts = sandbox.hosts()
    if json:
        _print_json(hosts)
    elif hosts:
        _print(Console(), hosts)
    else:
        Console().say("no sandbox hosts to shut down")
    return hosts


@task(
    help={
        "name": "Remove only this host.",
        "gone": "Remove also the hosts of projects whose folder no longer exists.",
        "json": "Print one JSON document of what was removed.",
    }
)
def destroy(c: Context, name: str | None = None, gone: bool = False, json: bool = False) -> list[str]:
    """Remove the disposable hosts and all they left here."""
    sandbox = _sandbox(c)
    removed = [name] if name else [host.name for host in _readable_hosts(sandbox)]
    sandbox.destroy(name)
    for abandoned in sandboxes.abandoned() if gone else ():
        removed += [f"{abandoned.project}: {host.name}" for host in abandoned.hosts()]
        abandoned.destroy()
    if not name:
        sandboxes.remove_unused_bases()
    if json:
        print_json({"removed": removed})
    else:
        Console().say("\n".join(f"removed {one}" for one in removed) or "no sandbox hosts to remove")
    return removed


def _sandbox(c: Context) -> Sandbox:
    return sandboxes.Sandbox(project_folder(c.config))


def _readable_hosts(sandbox: Sandbox) -> list[Host]:
    """The hosts as far as they are known: a damaged state must not keep a sandbox from being removed."""
    from ..errors import SandboxError

    try:
        return sandbox.hosts()
    except SandboxError:
        return []


def _number(count: object) -> int | None:
    """What was given as --count; Invoke passes text for an option without a default.

    :raises UsageError: it is no number.
    """
    from ..errors import UsageError

    try:
        return None if count is None else int(str(count))
    except ValueError:
        raise UsageError(f"--count is {count!r}, expected a number of hosts, like 2") from None


def _progress(json: bool) -> Callable[[str], None]:
    """Where progress goes: out of the way of a JSON document."""

    def to_stderr(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    return to_stderr if json else Console().say


def _print_json(hosts: list[Host]) -> None:
    print_json({"hosts": [asdict(host) for host in hosts]})


def _print(console: Console, hosts: list[Host]) -> None:
    rows = [(host.name, host.address, host.suite, host.state, host.image or "") for host in hosts]
    images = any(host.image for host in hosts)
    columns = ("HOST", "ADDRESS", "SUITE", "STATE", "IMAGE")
    width = 5 if images else 4
    console.table(columns[:width], [row[:width] for row in rows], [_STYLES[host.state] for host in hosts])


ns = Collection("sandbox", up, list_, down, destroy)
