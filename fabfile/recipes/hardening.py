"""What keeps a host safe, whatever it runs: SSH, firewall, upgrades, bans, kernel values, clock, swap."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..inventory.processes import client_roles, processes
from ..inventory.roles import ALL_ROLES
from ..rendering.template import Template
from ..resources import Absent, Directory, File, Package, Resource, Restart, Service, Validated
from ..resources.hardening.clock import TimeSync
from ..resources.hardening.firewall import APPS, RULES, UNIT, Firewall, FirewallLoaded, LoadFirewall
from ..resources.hardening.sshd import RootLogin, Sshd, SshPorts
from ..resources.hardening.swap import Swap
from ..resources.hardening.sysctl import Sysctl
from ..resources.services.port import GUARDS
from ..settings.hardening import is_role_name
from .nginx import balancers

if TYPE_CHECKING:
    from ..settings import Settings

# The first file that names an option wins.
_SSHD = "/etc/ssh/sshd_config.d/00-hostsmith.conf"
_ROOT_LOGIN = "/etc/ssh/sshd_config.d/00-hostsmith-root.conf"
_UPGRADES = "/etc/apt/apt.conf.d/52hostsmith-upgrades"
_JAIL, _JAIL_PORTS = "/etc/fail2ban/jail.d/hostsmith.local", "/etc/fail2ban/jail.d/hostsmith-ports.local"
_SYSCTL = "/etc/sysctl.d/60-hostsmith.conf"
_MODPROBE, _LIMITS = "/etc/modprobe.d/hostsmith.conf", "/etc/security/limits.d/hostsmith.conf"
_FOLDER, _PORTS = "/etc/hostsmith", "/etc/hostsmith/ssh-ports.nft"
_UNIT_FILE = f"/etc/systemd/system/{UNIT}"
_SERVICE_PORTS = {"db": 5432, "cache": 6379}

# Each is what Debian, or its manual, advises a server without a router's work; none breaks a container host or a VPN.
KERNEL_VALUES = {
    # Loose: a strict check cuts off hosts with two ways to the network.
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
# Protocols that no web host speaks, and whose code the kernel would load for any user who opens a socket.
_MODULES = "# Written by hostsmith.\n" + "".join(
    f"install {name} /bin/false\n" for name in ("dccp", "rds", "sctp", "tipc")
)
# What neither program does, so that whoever takes it over cannot either. From their next start on: a restart of
# supervisord would be one of all apps.
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


@dataclass(frozen=True)
class Rule:
    """One line of the firewall.

    :param sources: addresses and networks of one family; empty for everybody.
    """

    port: int
    protocol: str
    family: str
    sources: tuple[str, ...]


def hardening(settings: Settings, roles: Container[str]) -> list[Resource]:
    """All parts that are switched on. Of those that are off, the files are taken away; packages and swap stay."""
    on = settings.hardening
    return [
        *(upgrades() if on.upgrades else [Absent(_UPGRADES)]),
        *kernel(settings, roles),
        *([TimeSync()] if on.time else []),
        *([Swap()] if on.swap else []),
        ssh(settings, roles),
        *(firewall(settings, roles) if on.firewall else [_no_firewall(settings)]),
        *(fail2ban(settings) if on.fail2ban else []),
    ]


def kernel(settings: Settings, roles: Container[str]) -> list[Resource]:
    """Safer values of the kernel, and less of it for the programs that visitors reach."""
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
        # A dump of memory is one of secrets, too.
        File(_LIMITS, "# Written by hostsmith.\n* hard core 0\n", mode=0o644),
    ]
    for unit, more in units.items():
        text = _CONFINED.format(unit=unit) + more
        found += [Directory(files[unit].rpartition("/")[0]), File(files[unit], text, mode=0o644)]
    return found


def ssh(settings: Settings, roles: Container[str]) -> Resource:
    """SSH by key only, not as root where nobody needs that, and never as a user whose home an app can write to."""
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
        # A restart ends no session and returns when sshd listens; a reload returns before it does.
        notify=Restart("ssh"),
    )


def closed_users(settings: Settings, roles: Container[str]) -> tuple[str, ...]:
    """The users of a host of these roles as whom nobody logs in: they run what an app, or a package, brings."""
    return (settings.app, "hostsmith-build*") if processes(settings, roles) else ()


def firewall(settings: Settings, roles: Container[str]) -> list[Resource]:
    """A table of our own in nftables, which lets in SSH, what the roles need and what the settings name."""
    rules = list(firewall_rules(settings, roles))
    table = Template(RULES, "nftables/firewall.nft.j2", {"ports": _PORTS, "apps": APPS, "guards": GUARDS}, mode=0o644)
    # A file for each app, since several on one host are provisioned one by one.
    app = Template(
        _app_rules(settings),
        "nftables/app.nft.j2",
        {"app": settings.app, "rules": rules, "trusted": _by_family(settings.firewall.trusted)},
        mode=0o644,
    )
    unit = Template(_UNIT_FILE, "nftables/hostsmith-firewall.service.j2", {"rules": RULES}, mode=0o644)
    ports = SshPorts(_PORTS, "define ssh_ports = { %PORTS% }\n")
    folders = (Directory(APPS, mode=0o755), Directory(GUARDS, mode=0o755))
    return [
        Package("nftables"),
        Firewall(
            "firewall",
            (Directory(_FOLDER, mode=0o755), *folders, ports, app, table, unit, FirewallLoaded()),
            validate=["nft", "--check", "--file", RULES],
            opens=tuple(sorted({f"{rule.port}/{rule.protocol}" for rule in rules})),
            notify=LoadFirewall(),
        ),
    ]


def _no_firewall(settings: Settings) -> Resource:
    files = (_UNIT_FILE, RULES, _PORTS, _app_rules(settings))
    return Validated("firewall", tuple(Absent(path) for path in files), notify=LoadFirewall())


def _app_rules(settings: Settings) -> str:
    return f"{APPS}/{settings.app}.nft"


def firewall_rules(settings: Settings, roles: Container[str]) -> Iterator[Rule]:
    """What a host of these roles lets in besides SSH.

    :raises SettingsError: a rule names a role that there is not.
    """
    balancer = roles is not ALL_ROLES and "lb" in roles
    if "web" in roles or balancer:
        # Behind balancers nobody else has business here; it is they who are asked by everybody.
        sources = [] if balancer else balancers(settings)
        yield from _rules(80, "tcp", sources)
        if balancer or not sources:
            yield from _rules(443, "tcp", [])
    for role, port in _SERVICE_PORTS.items():
        if roles is not ALL_ROLES and role in roles and (clients := _addresses(settings, client_roles(settings))):
            yield from _rules(port, "tcp", clients)
    yield from service_rules(settings, roles)
    for index, allow in enumerate(settings.firewall.allow):
        if allow.to and not any(role in roles for role in allow.to):
            continue
        given = [source for source in allow.sources if not is_role_name(source)]
        named = [source for source in allow.sources if is_role_name(source)]
        for role in named:
            if not settings.roles.get(role):
                raise SettingsError(
                    f"fabric.yaml: firewall.allow[{index}].from: found {role!r}, which has no hosts; "
                    f"expected a role that has ({', '.join(settings.roles) or 'none'}), an IP address or a network"
                )
        yield from _rules(allow.port, allow.protocol, [*given, *_addresses(settings, named)])


def service_rules(settings: Settings, roles: Container[str]) -> Iterator[Rule]:
    """What the services that the app asks for let in: its hosts, unless the app runs beside them."""
    if not settings.services:
        return
    from ..inventory.placement import services_on

    of_roles = [port for role, port in _SERVICE_PORTS.items() if roles is not ALL_ROLES and role in roles]
    for service in services_on(settings, roles):
        if service.clients and service.port is not None and service.port not in of_roles:
            yield from _rules(service.port, "tcp", service.clients)


def _addresses(settings: Settings, roles: Iterable[str]) -> list[str]:
    entries = [entry for role in roles for entry in settings.roles.get(role, [])]
    return list(dict.fromkeys(address for entry in entries for address in settings.addresses(entry.host)))


def _rules(port: int, protocol: str, sources: Sequence[str]) -> Iterator[Rule]:
    families = _by_family(sources)
    if not any(families.values()):
        yield Rule(port, protocol, "", ())
    for family, members in families.items():
        if members:
            yield Rule(port, protocol, family, tuple(members))


def _by_family(sources: Sequence[str]) -> dict[str, list[str]]:
    """Addresses and networks by what nftables calls their family, without those that lie in another."""
    networks = [ipaddress.ip_network(source) for source in sources]
    # An overlap is an error to nft.
    four = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv6Network))
    return {"ip": [_text(one) for one in four], "ip6": [_text(one) for one in six]}


def _text(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def upgrades() -> list[Resource]:
    """Security upgrades by themselves."""
    file = Template(_UPGRADES, "apt/upgrades.conf.j2", mode=0o644)
    return [
        Package("unattended-upgrades"),
        Validated("security upgrades", (file,), validate=["apt-config", "dump"]),
    ]


def fail2ban(settings: Settings) -> list[Resource]:
    """Addresses that keep failing to log in are shut out of SSH for a while."""
    jail = Template(_JAIL, "fail2ban/hostsmith.local.j2", {"trusted": settings.firewall.trusted}, mode=0o644)
    ports = SshPorts(_JAIL_PORTS, "# Written by hostsmith.\n[sshd]\nport = %PORTS%\n")
    return [
        # It reads the journal by python3-systemd; without nftables it cannot ban.
        Package("fail2ban", "python3-systemd", "nftables"),
        Validated("fail2ban", (jail, ports), validate=["fail2ban-client", "--test"], notify=Restart("fail2ban")),
        Service("fail2ban"),
    ]
