"""memcached as a service: a server for each app."""

from __future__ import annotations

from pydantic import Field

from ..contract.secret import Secret
from ..errors import SettingsError
from ..resources import Package, Resource, Restart, Service
from ..resources.services.password import KeptFile
from ..resources.services.port import Port, PortGuard
from ..settings import values as kind
from ..settings.services import ServiceOptions
from .base import Access, AppService, Argv, Restore
from .registry import register

_UNIT = """\
# Written by hostsmith for {app}.
[Unit]
Description=memcached of {app}
# Debian's own service for nftables empties all tables when it starts and ends, ours too.
After=network.target nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
# Nobody else answers on its port while it is not there.
Before=supervisor.service

[Service]
ExecStartPre=+/usr/sbin/nft --file {guard}
ExecReload=+/usr/sbin/nft --file {guard}
ExecStart=/usr/bin/memcached --listen={listen} --port={port} --memory-limit={memory}
DynamicUser=yes
Restart=always
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateUsers=yes
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
UMask=0077

[Install]
WantedBy=multi-user.target
"""
# By bash's network file: no client has to be installed.
_ASK = 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "%s\\r\\nquit\\r\\n" "$2" >&3 && grep -q "$3" <&3'


class MemcachedOptions(ServiceOptions):
    """Options of memcached."""

    memory: kind.Memory = Field(None, description="Memory limit. Default: a sixteenth of the host's memory.")
    port: kind.Port = Field(11211, description="TCP port. Each app on a host needs a different one.")


@register
class Memcached(AppService):
    """memcached from the host's packages."""

    name = "memcached"
    role = "cache"
    has_passwords = False
    Options = MemcachedOptions
    options: MemcachedOptions

    @property
    def port(self) -> int:
        return self.options.port

    @property
    def _unit(self) -> str:
        return f"memcached-{self.settings.app}.service"

    @property
    def _guard(self) -> PortGuard:
        return PortGuard(f"memcached-{self.settings.app}", self.port, self.settings.app)

    def install(self) -> list[Resource]:
        if self.clients and not self.settings.hardening.firewall:
            raise SettingsError(
                "fabric.yaml: services.memcached: found an app on other hosts and `hardening: {firewall: false}`, "
                "expected the firewall, since memcached has no passwords; or use redis, which has"
            )
        return [
            Package("memcached", "nftables"),
            Port(
                *(self.port, self._unit, "memcached.service"),
                *("stats\r\n", "STAT curr_items 0\r\n"),
                "services: {memcached: {port: 11212}}",
            ),
            self._guard,
            KeptFile(
                *(f"/etc/systemd/system/{self._unit}", self._text(), self.settings.app, self.name),
                mode=0o644,
                notify=Restart(self._unit),
            ),
            Service(self._unit),
        ]

    def _text(self) -> str:
        option = self.options.memory
        memory = "%MEMORY/16%" if option is None else str(int(option[:-1]) * (1 if option[-1] in "mM" else 1024))
        # All addresses: it would not start at boot before a single one exists.
        every = "[::]" if all(":" in client for client in self.clients) else "0.0.0.0"  # noqa: S104
        listen = every if self.clients else "127.0.0.1"
        return _UNIT.format(app=self.settings.app, listen=listen, port=self.port, memory=memory, guard=self._guard.path)

    def env(self, access: Access) -> dict[str, Secret | str]:
        return {
            "CACHE_URL": f"memcached://{access.location}",
            "CONFIG_MEMCACHED_HOST": access.host,
            "CONFIG_MEMCACHED_PORT": str(access.port),
        }

    def backup(self) -> Argv:
        return []

    def restore(self) -> Restore | None:
        return None

    def clear(self) -> list[Argv]:
        return [self._ask("flush_all", "^OK")]

    def check(self) -> Argv:
        return self._ask("version", "^VERSION")

    def _ask(self, command: str, answer: str) -> Argv:
        return ["bash", "-c", _ASK, "memcached", str(self.port), command, answer]
