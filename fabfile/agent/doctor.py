"""Diagnosis of a host besides its app, for `fab doctor`; read-only."""

from __future__ import annotations

import glob
import math
import os
import re
import ssl
import sys
import time
from collections.abc import Callable, Sequence

from .._version import __version__
from ..contract.base import ResourceError
from ..hostkit.app import provisioned
from ..hostkit.linux import filesystem, ports, system, systemd
from ..hostkit.linux.container import container
from ..hostkit.linux.login import login
from ..hostkit.programs import apt
from ..resources.hardening.firewall import is_loaded

# The releases that the tests run on.
_SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}
_DAY = 86400
Finding = dict[str, str]


def finding(check: str, state: str, found: str, advice: str = "") -> Finding:
    """Return a finding in one line.

    :param state: "ok"; "advice", when nothing is broken yet; "wrong"; "none", where there is nothing to check.
    :param advice: how to fix it.
    """
    return {"check": check, "state": state, "found": found, "mend": advice}


def examine(services: Sequence[str], open_ports: Sequence[str], firewall: bool) -> list[Finding]:
    """Return all findings of this host.

    :param services: the systemd services that its roles need.
    :param open_ports: ports that its firewall opens besides SSH, such as "80/tcp".
    :param firewall: whether hostsmith sets up its firewall.
    """
    checks: dict[str, Callable[[], list[Finding]]] = {
        "login": _login,
        "hostsmith": _provisioned,
        "system": _system,
        "python": _python,
        "disk": _disk,
        "memory": _memory,
        "clock": _time_service,
        "apt": _apt,
        "reboot": _reboot,
        "services": lambda: _services(services),
        "units": _failed_units,
        "certificates": _certificates,
        "ports": lambda: _ports(open_ports, firewall),
    }
    found: list[Finding] = []
    for name, check in checks.items():
        try:
            found += check()
        except (ResourceError, OSError, ValueError) as error:
            found.append(finding(name, "wrong", f"the check failed: {error}", "see the message"))
    return found


def _login() -> list[Finding]:
    user = login().user
    return [finding("login", "ok", "as root" if user == "root" else f"as {user}, root by sudo")]


def _provisioned() -> list[Finding]:
    """Compare the version that provisioned the host with that of whoever asks, which is the agent's own."""
    found = provisioned.version()
    if found is None:
        return [finding("hostsmith", "none", "not provisioned")]
    how = provisioned.compared(found, __version__)
    if not how:
        return [finding("hostsmith", "ok", found)]
    mend = (
        f"`fab provision` updates it to {__version__}"
        if how == "older"
        else f"upgrade hostsmith on your machine, which has {__version__}"
    )
    return [finding("hostsmith", "advice", f"{found}, {how} than yours", mend)]


def _system() -> list[Finding]:
    text = (filesystem.read("/etc/os-release") or b"").decode("utf-8", "replace")
    fields = dict(line.replace('"', "").split("=", 1) for line in text.splitlines() if "=" in line)
    kind, version = fields.get("ID", "?"), fields.get("VERSION_ID", "?")
    name = f"{fields.get('NAME', kind).removesuffix(' GNU/Linux')} {version}"
    if around := container():
        name += f" in {around}"
    if version in _SUPPORTED.get(kind, ()):
        return [finding("system", "ok", name)]
    known = "Debian 12 and 13, Ubuntu from 22.04 on"
    return [finding("system", "advice", name, f"not tested; expected one of {known}")]


def _python() -> list[Finding]:
    return [finding("python", "ok", ".".join(map(str, sys.version_info[:3])))]


def _disk() -> list[Finding]:
    found = []
    seen = set()
    for path in ("/", "/srv", "/var"):
        if not os.path.isdir(path) or (device := os.stat(path).st_dev) in seen:
            continue
        seen.add(device)
        status = os.statvfs(path)
        blocks = _percent(status.f_blocks - status.f_bfree, status.f_bavail)
        inodes = _percent(status.f_files - status.f_ffree, status.f_favail)
        what, percent = ("inodes", inodes) if inodes > blocks else ("space", blocks)
        state = "wrong" if percent >= 95 else "advice" if percent >= 85 else "ok"
        text = f"{path} {percent}%" + (f" of its {what}" if state != "ok" else "")
        mend = "" if state == "ok" else "free some: `apt-get clean`, `journalctl --vacuum-size=100M`, `keep_releases`"
        found.append(finding("disk", state, text, mend))
    return found


def _percent(used: int, free: int) -> int:
    return -(-used * 100 // (used + free)) if used + free else 0


def _memory() -> list[Finding]:
    text = (filesystem.read("/proc/meminfo") or b"").decode()
    size, free = (int(re.findall(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[0]) for name in ("MemTotal", "MemAvailable"))
    state = "wrong" if free * 100 < size * 3 else "advice" if free * 100 < size * 10 else "ok"
    mend = "" if state == "ok" else "set fewer `workers`, or use a larger host; `ps aux --sort -rss` shows what uses it"
    return [finding("memory", state, f"{_gib(free)} of {_gib(size)} free", mend)]


def _gib(kib: int) -> str:
    return f"{kib / 1024 / 1024:.1f}G"


def _time_service() -> list[Finding]:
    if kind := container():
        return [finding("time sync", "none", f"{kind} uses the clock of its machine")]
    for unit in ("systemd-timesyncd", "chrony", "ntpsec", "ntp", "openntpd"):
        if _state(unit) == "active":
            return [finding("time sync", "ok", unit)]
    return [finding("time sync", "advice", "no time service is running", "`fab provision` sets one up")]


def _apt() -> list[Finding]:
    broken = system.run(["dpkg", "--audit"], ok=range(256)).stdout.decode("utf-8", "replace").strip()
    if broken:
        return [finding("apt", "wrong", broken.splitlines()[0], "`dpkg --configure -a`, then `apt-get install -f`")]
    done = system.run(["apt-get", "check", "-qq"], ok=range(256))
    if done.returncode:
        return [finding("apt", "wrong", system.tail(done.stderr, 1), "`apt-get install -f`")]
    days = apt.lists_age() / _DAY
    if days > 7:
        mend = "`apt-get update` shows why; `systemctl list-timers apt-daily` when it is next due"
        age = f"its lists are {days:.0f} days old" if days < math.inf else "its lists are missing"
        return [finding("apt", "advice", age, mend)]
    return [finding("apt", "ok", "healthy")]


def _reboot() -> list[Finding]:
    if not os.path.exists("/run/reboot-required"):
        return [finding("reboot", "ok", "none needed")]
    packages = (filesystem.read("/run/reboot-required.pkgs") or b"").decode("utf-8", "replace").split()
    names = ", ".join(dict.fromkeys(packages)) or "an upgrade"
    mend = "reboot when it suits; the live release starts by itself"
    return [finding("reboot", "advice", f"needed by {names}", mend)]


def _services(names: Sequence[str]) -> list[Finding]:
    down = [f"{name} is {state}" for name in names if (state := _state(name)) != "active"]
    if down:
        mend = "`fab provision` starts them; `journalctl -u NAME` shows why they stopped"
        return [finding("services", "wrong", ", ".join(down), mend)]
    return [finding("services", "ok" if names else "none", ", ".join(names) or "its roles need none")]


def _state(unit: str) -> str:
    return systemd.properties(unit, "ActiveState").get("ActiveState", "unknown")


def _failed_units() -> list[Finding]:
    argv = ["systemctl", "list-units", "--failed", "--plain", "--no-legend"]
    lines = system.run(argv).stdout.decode("utf-8", "replace").splitlines()
    failed = [line.split()[0] for line in lines if line.strip()]
    if failed:
        mend = "`systemctl status NAME` shows why; once it is fixed, `systemctl reset-failed NAME`"
        return [finding("units", "wrong", f"failed: {', '.join(failed)}", mend)]
    return [finding("units", "ok", "none failed")]


def _certificates() -> list[Finding]:
    found = []
    for path in sorted(glob.glob("/etc/letsencrypt/live/*/cert.pem")):
        name = path.split("/")[-2]
        shown = system.run(["openssl", "x509", "-noout", "-enddate", "-in", path]).stdout.decode()
        days = int((ssl.cert_time_to_seconds(shown.strip().partition("=")[2]) - time.time()) // _DAY)
        # certbot renews 30 days before expiry.
        state = "wrong" if days < 14 else "advice" if days < 28 else "ok"
        text = f"{name} {f'expires in {days} days' if days >= 0 else f'expired {-days} days ago'}"
        mend = "" if state == "ok" else "`certbot renew --dry-run` shows why it was not renewed"
        found.append(finding("certificates", state, text, mend))
    return found or [finding("certificates", "none", "none of certbot's")]


def _ports(open_ports: Sequence[str], firewall: bool) -> list[Finding]:
    """List what listens for other hosts on ports besides SSH and those that the firewall opens."""
    names = ports.unknown(open_ports)
    if not names:
        return [finding("ports", "ok", "no unknown ports are open")]
    if firewall and is_loaded():
        mend = "the firewall blocks it: bind it to 127.0.0.1, or open it with `firewall: {allow: [...]}`"
        return [finding("ports", "advice", f"unknown to the firewall: {names}", mend)]
    return [finding("ports", "advice", f"open to the world: {names}", "bind it to 127.0.0.1, or set up a firewall")]
