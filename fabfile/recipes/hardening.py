"""Hardening of any host: SSH, firewall, upgrades, bans, kernel, clock, swap."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from ..inventory.processes import processes
from ..rendering.template import Template
from ..resources import Absent, Directory, File, Package, Resource, Restart, Service, Validated
from ..resources.hardening.clock import TimeSync
from ..resources.hardening.sshd import RootLogin, Sshd, SshPorts
from ..resources.hardening.swap import Swap
from ..resources.hardening.sysctl import Sysctl
from .firewall import firewall, no_firewall

if TYPE_CHECKING:
    from ..settings import Settings

# The first file that names an option wins.
_SSHD = "/etc/ssh/sshd_config.d/00-hostsmith.conf"
_ROOT_LOGIN = "/etc/ssh/sshd_config.d/00-hostsmith-root.conf"
_UPGRADES = "/etc/apt/apt.conf.d/52hostsmith-upgrades"
_JAIL, _JAIL_PORTS = "/etc/fail2ban/jail.d/hostsmith.local", "/etc/fail2ban/jail.d/hostsmith-ports.local"
_SYSCTL = "/etc/sysctl.d/60-hostsmith.conf"
_MODPROBE, _LIMITS = "/etc/modprobe.d/hostsmith.conf", "/etc/security/limits.d/hostsmith.conf"

# Each is Debian's or its manual's advice for servers, except routers; none breaks a container host or a VPN.
KERNEL_VALUES = {
    # Loose: a strict check cuts off hosts with two routes to the network.
    "net.ipv4.conf.*.rp_filter": "2",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.conf.*.accept_redirects": "0",
    "net.ipv4.conf.*.secure_redirects": "0",
    "net.ipv4.conf.*.send_redirects": "0",
    "net.ipv4.conf.*.accept_source_route": "0",
    "net.ipv6.conf.*.accept_redirects": "0",
    "net.ipv6.conf.*.accept_source_route": "0",
    "kernel.kptr_restrict": "1",
    "kernel.dmesg_restrict": "1",
    "kernel.yama.ptrace_scope": "1",
    "fs.protected_hardlinks": "1",
    "fs.protected_symlinks": "1",
    "kernel.core_uses_pid": "1",
    "fs.protected_fifos": "2",
    "fs.protected_regular": "2",
    "fs.suid_dumpable": "0",
    "dev.tty.ldisc_autoload": "0",
    "net.core.bpf_jit_harden": "2",
}
# Protocols that no web host uses, and whose code the kernel would load for any user who opens a socket.
_MODULES = "# Written by hostsmith.\n" + "".join(
    f"install {name} /bin/false\n" for name in ("dccp", "rds", "sctp", "tipc")
)
# Rights that neither program needs, so that an attacker in one has none of them. They apply from the next start on: a
# restart of supervisord would restart all apps.
_CONFINED = """\
# Written by hostsmith; `systemctl edit {unit}` has the last word.
[Service]
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
"""
_NGINX = """\
NoNewPrivileges=yes
SystemCallArchitectures=native
PrivateDevices=yes
ProtectSystem=full
RestrictNamespaces=yes
"""


def hardening(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Set up all parts that are on. Files of the others are removed; their packages and swap stay."""
    on = settings.hardening
    return [
        *(upgrades() if on.upgrades else [Absent(_UPGRADES)]),
        *kernel(settings, roles),
        *([TimeSync()] if on.time else []),
        *([Swap()] if on.swap else []),
        ssh(settings, roles),
        *(firewall(settings, roles) if on.firewall else [no_firewall(settings)]),
        *(fail2ban(settings) if on.fail2ban else []),
    ]


def kernel(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Set safer kernel parameters, and limit the programs that visitors reach."""
    units = {
        **({"nginx": _NGINX} if "web" in roles else {}),
        **({"supervisor": ""} if processes(settings, roles) else {}),
    }
    files = {unit: f"/etc/systemd/system/{unit}.service.d/hostsmith.conf" for unit in units}
    if not settings.hardening.sysctl:
        return [Absent(path) for path in (_SYSCTL, _MODPROBE, _LIMITS, *files.values())]
    found: list[Resource] = [
        Sysctl(_SYSCTL, KERNEL_VALUES),
        Directory("/etc/modprobe.d"),
        File(_MODPROBE, _MODULES, mode=0o644),
        # A core dump contains secrets.
        File(_LIMITS, "# Written by hostsmith.\n* hard core 0\n", mode=0o644),
    ]
    for unit, more in units.items():
        text = _CONFINED.format(unit=unit) + more
        found += [Directory(files[unit].rpartition("/")[0]), File(files[unit], text, mode=0o644)]
    return found


def ssh(settings: Settings, roles: Container[str]) -> Resource:
    """Limit SSH to keys, without root unless needed, and never for a user whose home an app can write to."""
    root_comes = any(entry.host.user == "root" for entries in settings.roles.values() for entry in entries)
    closed, path = closed_users(settings, roles), f"/etc/ssh/sshd_config.d/00-hostsmith-{settings.app}.conf"
    text = f"# Written by hostsmith: an app can write to the home of its user.\nDenyUsers {' '.join(closed)}\n"
    options = (Template(_SSHD, "ssh/hostsmith.conf.j2", mode=0o644), RootLogin(_ROOT_LOGIN, needed=root_comes))
    on = settings.hardening.ssh
    return Sshd(
        "sshd",
        (
            File(path, text, mode=0o644) if closed else Absent(path),
            *(options if on else (Absent(_SSHD), Absent(_ROOT_LOGIN))),
        ),
        effective={"passwordauthentication": "no", "kbdinteractiveauthentication": "no"} if on else {},
        denies=closed,
        # A restart ends no session and returns once sshd listens; a reload returns before that.
        notify=Restart("ssh"),
    )


def closed_users(settings: Settings, roles: Container[str]) -> tuple[str, ...]:
    """List the users that nobody can log in as: they run code of an app or a package."""
    return (settings.app, "hostsmith-build*") if processes(settings, roles) else ()


def upgrades() -> list[Resource]:
    """Set up automatic security upgrades."""
    file = Template(_UPGRADES, "apt/upgrades.conf.j2", mode=0o644)
    return [
        Package("unattended-upgrades"),
        Validated("security upgrades", (file,), validate=["apt-config", "dump"]),
    ]


def fail2ban(settings: Settings) -> list[Resource]:
    """Ban addresses with repeated failed logins from SSH for a while."""
    jail = Template(_JAIL, "fail2ban/hostsmith.local.j2", {"trusted": settings.firewall.trusted}, mode=0o644)
    ports = SshPorts(_JAIL_PORTS, "# Written by hostsmith.\n[sshd]\nport = %PORTS%\n")
    return [
        # It reads the journal by python3-systemd, and bans by nftables.
        Package("fail2ban", "python3-systemd", "nftables"),
        Validated("fail2ban", (jail, ports), validate=["fail2ban-client", "--test"], notify=Restart("fail2ban")),
        Service("fail2ban"),
    ]
