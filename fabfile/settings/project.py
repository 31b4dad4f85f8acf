"""Settings of one project, its fleet and each host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from ..contract.secret import Secret
from ..errors import UsageError
from ..hostkit.build.requirements import ORDER as REQUIREMENT_FILES
from ..openssh.host import Host, Machine
from ..printable import cut
from . import values as kind
from .context import NO_CONTEXT, ValidationContext
from .cron import with_scheduler
from .entries import HostEntry
from .kinds import UnexpectedError
from .processes import merged as with_procfile
from .procfile import role_of
from .schema import Schema
from .source import DJANGO, whole
from .source import processes as processes_of


class Settings(Schema, defer_build=False):
    """All settings of one project, valid as a whole."""

    _project: Path = PrivateAttr(default_factory=Path.cwd)
    _context: ValidationContext = PrivateAttr(default=NO_CONTEXT)
    _entries: dict[Machine, HostEntry] = PrivateAttr(default_factory=dict)
    _roles_of: dict[Machine, set[str]] = PrivateAttr(default_factory=dict)
    _elsewhere: frozenset[str] = PrivateAttr(default=frozenset())
    _addresses: Mapping[Machine, Sequence[str]] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any) -> None:
        self._context = context or NO_CONTEXT
        for role, entries in self.roles.items():
            for entry in entries:
                machine = self.machine(entry.host)
                self._entries.setdefault(machine, entry)
                self._roles_of.setdefault(machine, set()).add(role)

    @property
    def project(self) -> Path:
        """The project folder, with the fabfile and `fabric.yaml`."""
        return self._project

    @property
    def source_is_local(self) -> bool:
        """Whether the code is pushed from a local folder rather than pulled from a git URL."""
        return not kind.is_git_url(self.source)

    @property
    def source_url(self) -> str | Secret:
        """The git URL of a source to pull; secret if it has a login, which `source` omits."""
        return whole(self.source)

    @property
    def source_folder(self) -> Path:
        """The folder of a local source."""
        return self._project / Path(self.source).expanduser()

    @property
    def health_host(self) -> str:
        """The `Host` header of health checks."""
        return self.health.host or next(iter(self.domains), "localhost")

    @property
    def redirects(self) -> dict[str, str]:
        """Domains that are only redirected, each with its target."""
        if not self.www_redirect:
            return {}
        pairs = {_www_twin(domain): domain for domain in self.domains if not domain.startswith("*")}
        return {twin: domain for twin, domain in pairs.items() if twin not in self.domains}

    @property
    def is_django(self) -> bool:
        """Whether a deploy runs the steps of a Django project."""
        return self.framework == DJANGO

    @property
    def requirement_files(self) -> list[str]:
        """Requirements files to look for in the source."""
        return list(REQUIREMENT_FILES) if self.requirements is None else self.requirements

    @property
    def is_balanced(self) -> bool:
        """Whether visitors reach a balancer, which then has the certificate."""
        return bool(self.roles.get("lb"))

    @property
    def primary(self) -> Host | None:
        """The host marked as primary."""
        return next((entry.host for entry in self._entries.values() if entry.primary), None)

    def machine(self, host: Host) -> Machine:
        """Identify the machine of a host; two hosts may be the same machine."""
        return self._context.machine(host)

    def entry(self, host: Host) -> HostEntry | None:
        """Return the entry of a host in the roles; None without one."""
        return self._entries.get(self.machine(host))

    def roles_of(self, host: Host) -> frozenset[str]:
        """Return the roles of a host."""
        return frozenset(self._roles_of.get(self.machine(host), ()))

    def addresses(self, host: Host) -> Sequence[str]:
        """Return the IP addresses by which the other hosts of the fleet reach a host, the best first.

        :raises UsageError: they have not been looked up.
        """
        try:
            return self._addresses[self.machine(host)]
        except KeyError:
            raise UsageError(
                f"the address of {host} has not been looked up; before you call recipes in your own task, use "
                "`hostsmith.inventory.addresses.with_addresses(load(c), c.config)` as settings"
            ) from None

    def reached_at(self, addresses: Mapping[Machine, Sequence[str]]) -> Settings:
        """Copy the settings with the addresses of machines."""
        settings = self.model_copy()
        settings._addresses = addresses
        return settings

    def on(self, host: Host) -> Settings:
        """Copy the settings for a host: with its own values, and adapted to the sandbox."""
        entry = self.entry(host)
        own = entry.own() if entry else {}
        values: dict[str, Any] = {key: own[key] for key in ("workers", "python") if key in own}
        if self.tls.is_issued and self._context.in_sandbox(self._project, host.host):
            values["tls"] = self.tls.in_sandbox()
        return self.model_copy(update=values).running_once_elsewhere(_once_elsewhere(self, host) if entry else ())

    def scaled(self, scale: Mapping[str, int]) -> Settings:
        """Copy the settings with the numbers of `fab scale`; for `web` they are gunicorn workers."""
        processes = {
            name: process.model_copy(update={"scale": scale[name]}) if name in scale and name != "web" else process
            for name, process in self.processes.items()
        }
        return self.model_copy(update={"processes": processes, "workers": scale.get("web", self.workers)})

    @property
    def elsewhere(self) -> frozenset[str]:
        """Singletons that run on another host than that of these settings."""
        return self._elsewhere

    def running_once_elsewhere(self, names: Iterable[str]) -> Settings:
        """Copy the settings for a host without some singletons, which another host runs."""
        settings = self.model_copy()
        settings._elsewhere = frozenset(names)
        return settings

    def batch_of(self, hosts: int) -> int:
        """Compute how many of a number of hosts switch at the same time."""
        if isinstance(self.batch, int):
            return min(self.batch, max(hosts, 1))
        return max(hosts * int(self.batch.rstrip("%")) // 100, 1)

    def in_batches(self, text: str | None) -> Settings:
        """Copy the settings with the `batch` of the command line, if there is one.

        :raises UsageError: it is neither a number nor a percentage.
        """
        if text is None:
            return self
        try:
            return self.model_copy(update={"batch": kind.share(text)})
        except UnexpectedError as error:
            raise UsageError(f"--batch: found {cut(text)!r}, {error}") from None

    def placed(self, project: Path, procfile: Mapping[str, str]) -> Settings:
        """Copy the settings into their project folder, with the Procfile's processes under their own.

        :raises SettingsError: a file that they name cannot be read.
        """
        found = {**processes_of(self.framework), **procfile}
        processes = with_scheduler(with_procfile(found, self.processes), self.cron)
        settings = self.model_copy(update={"processes": processes, "deployers": self.deployers.read(project)})
        settings._project = project
        return settings


def _www_twin(domain: str) -> str:
    return domain.removeprefix("www.") if domain.startswith("www.") else f"www.{domain}"


def _once_elsewhere(settings: Settings, host: Host) -> list[str]:
    """List the singletons that another host runs: the primary one, or else the first.

    All hosts of the settings count, not only those of a task, so that each run has the same result.
    """
    return [
        name
        for name, process in settings.processes.items()
        if process.singleton and _runner(settings, name) not in (None, settings.machine(host))
    ]


def _runner(settings: Settings, process: str) -> Machine | None:
    """Find the machine that runs a singleton."""
    hosts = [entry.host for entry in settings.roles.get(role_of(process, settings.roles), [])]
    primary = [host for host in hosts if (entry := settings.entry(host)) and entry.primary]
    return next((settings.machine(host) for host in [*primary, *hosts]), None)
