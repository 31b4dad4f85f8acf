"""Findings of `fab doctor` on this machine, and the display of all findings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .._version import __version__
from ..agent.doctor import Finding, finding
from ..errors import HostsmithError, SourceError

if TYPE_CHECKING:
    from ..console import Console
    from ..settings import Settings

COLUMNS = ("HOST", "HOSTSMITH", "SYSTEM", "PYTHON", "DISK", "MEMORY", "CLOCK", "HARDENING", "VERDICT")
# Parts of the hardening and the resources of each.
HARDENING = {
    "ssh": ("sshd",),
    "firewall": ("firewall",),
    "upgrades": ("security upgrades",),
    "fail2ban": ("fail2ban", "service fail2ban"),
    "sysctl": ("sysctl /etc/sysctl.d/60-hostsmith.conf",),
    "time": ("time sync",),
    "swap": ("swap",),
}
_STYLES = {"wrong": "red", "advice": "yellow"}
# Seconds by which clocks may differ: certificates and one-time codes tolerate a little, logs should be comparable.
_SKEW, _BAD_SKEW = 2.0, 30.0


def here(settings: Settings | None, problem: str) -> list[Finding]:
    """Inspect this machine.

    :param settings: None when they are invalid.
    :param problem: the error in them.
    """
    versions = f"hostsmith {__version__}, fabric {version('fabric')}, paramiko {version('paramiko')}"
    found = [
        finding("python", "ok", ".".join(map(str, sys.version_info[:3]))),
        finding("versions", "ok", versions),
        _git(),
        _ssh_keys(),
        _known_hosts(),
    ]
    if settings is None:
        return [*found, finding("settings", "wrong", problem, "fix fabric.yaml; docs/settings.md lists every key")]
    hosts = {host.host for entries in settings.roles.values() for host in (entry.host for entry in entries)}
    there = f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}" if hosts else "no hosts"
    return [*found, finding("settings", "ok", f"app {settings.app}, {there}"), _source(settings)]


def _git() -> Finding:
    program = shutil.which("git")
    if program is None:
        return finding("git", "wrong", "not installed", "install git: deploys read the code from it")
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return finding("git", "ok", output.strip().removeprefix("git version ") or "there")


def _ssh_keys() -> Finding:
    import paramiko

    folder = Path("~/.ssh").expanduser()
    files = sorted(path.name for path in folder.glob("id_*") if path.suffix != ".pub")
    loose = [name for name in files if (folder / name).stat().st_mode & 0o077]
    keys = len(paramiko.Agent().get_keys()) if os.environ.get("SSH_AUTH_SOCK") else 0
    known = ", ".join([*([f"{keys} in the agent"] if keys else []), *files])
    if loose:
        return finding("ssh keys", "advice", f"others may read {', '.join(loose)}", "`chmod 600` them")
    if known:
        return finding("ssh keys", "ok", known)
    # Only advice: a key may be named with -i, in fabric.yaml or in the SSH configuration.
    return finding(
        "ssh keys", "advice", "none in an agent or in ~/.ssh", "`ssh-keygen -t ed25519`, or name one with -i"
    )


def _known_hosts() -> Finding:
    path = Path("~/.ssh/known_hosts").expanduser()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return finding("known hosts", "ok", "none yet; each new key is shown and added")
    except OSError as error:
        return finding("known hosts", "wrong", f"{path}: {error.strerror}", "make it readable and writable for you")
    if not os.access(path, os.W_OK):
        return finding("known hosts", "wrong", f"{path} cannot be written", "new hosts are added there; fix its mode")
    return finding("known hosts", "ok", f"{sum(1 for line in lines if line.strip() and line[0] != '#')} keys")


def _source(settings: Settings) -> Finding:
    from ..deployment.source import LocalSource

    if not settings.source_is_local:
        return finding("source", "ok", f"{settings.revision} of {settings.source}")
    try:
        with LocalSource(settings.source_folder, settings.revision, dirty=False) as source:
            return finding("source", "ok", f"{source.source.short} {source.source.subject}".strip())
    except SourceError as error:
        # The message names one file a line; its last line is what to do.
        first, *rest = (line.strip() for line in str(error).splitlines())
        state = "advice" if rest else "wrong"
        return finding("source", state, " ".join([first, *rest[:-1]]), "".join(rest[-1:]))


def clock(asked: float, reported: float, answered: float) -> Finding:
    """Compare a host's clock with this machine's, as exactly as the round trip allows."""
    skew = max(asked - reported, reported - answered, 0.0)
    state = "wrong" if skew > _BAD_SKEW else "advice" if skew > _SKEW else "ok"
    text = "right" if state == "ok" else f"{skew:.0f} s {'fast' if reported > answered else 'slow'}"
    mend = (
        ""
        if state == "ok"
        else "`timedatectl` on both shows which one is wrong; `hardening: {time: true}` keeps it right"
    )
    return finding("clock", state, text, mend)


def row(name: str, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Build the cells of a host."""
    found: dict[str, list[str]] = {}
    for each in findings:
        found.setdefault(each["check"], []).append(each["found"])
    hardening = [each["check"] for each in findings if each["check"] in HARDENING and each["state"] == "ok"]
    cells = [", ".join(found.get(column.lower(), ["?"])) for column in COLUMNS[1:-2]]
    return name, *cells, ", ".join(hardening) or "-", verdict(findings)


def verdict(findings: Iterable[Finding]) -> str:
    """Sum up the findings in a word or two."""
    states = [each["state"] for each in findings]
    if wrong := states.count("wrong"):
        return f"{wrong} wrong"
    return f"healthy, {advice} to check" if (advice := states.count("advice")) else "healthy"


def style(findings: Iterable[Finding]) -> str | None:
    """Choose the colour of a host's row: that of its worst finding."""
    states = {each["state"] for each in findings}
    return next((_STYLES[state] for state in ("wrong", "advice") if state in states), None)


def show(console: Console, local: Sequence[Finding], hosts: Mapping[str, Sequence[Finding]]) -> None:
    """Print tables of this machine and of the hosts, then what to fix."""
    lines = [(each["check"], each["found"]) for each in local]
    console.table(("HERE", "FOUND"), lines, [style([each]) for each in local])
    if hosts:
        console.say()
        rows = [row(name, findings) for name, findings in hosts.items()]
        console.table(COLUMNS, rows, [style(findings) for findings in hosts.values()])
    problems = list(_problems(local, hosts))
    if problems:
        console.say()
    for text, colour in problems:
        console.say(text, colour)


def _problems(local: Sequence[Finding], hosts: Mapping[str, Sequence[Finding]]) -> Iterator[tuple[str, str | None]]:
    """List problems, the worst first; those that several hosts share once."""
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for name, findings in {"here": local, **hosts}.items():
        for each in findings:
            if each["state"] in _STYLES:
                alike.setdefault((each["state"], each["check"], each["found"], each["mend"]), []).append(name)
    for (state, check, found, mend), names in sorted(alike.items(), key=lambda item: item[0][0] != "wrong"):
        yield f"{', '.join(names)}: {check}: {found}", _STYLES[state]
        if mend:
            yield f"    -> {mend}", None


def require_healthy(local: Sequence[Finding], hosts: Mapping[str, Sequence[Finding]]) -> None:
    """Fail when something is wrong.

    :raises HostsmithError: names each host with its number of problems.
    """
    counts = {name: sum(each["state"] == "wrong" for each in found) for name, found in {"here": local, **hosts}.items()}
    if wrong := [f"{name} ({count})" for name, count in counts.items() if count]:
        raise HostsmithError(f"wrong: {', '.join(wrong)}")
