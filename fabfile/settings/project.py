"""The settings of one project: what they say of it, of its fleet, and of each host."""

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
from .processes import once_elsewhere
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
        """The project folder: where the fabfile and its `fabric.yaml` are."""
        return self._project

    @property
    def source_is_local(self) -> bool:
        """Whether the code is pushed from a folder here, and not pulled from a git URL."""
        return not kind.is_git_url(self.source)

    @property
    def source_url(self) -> str | Secret:
        """The git URL of a source that is pulled; secret when there is a login in it, which `source` does not show."""
        return whole(self.source)

    @property
    def source_folder(self) -> Path:
        """The folder of a local source."""
        return self._project / Path(self.source).expanduser()

    @property
    def health_host(self) -> str:
        """The `Host` header that the health page is asked with."""
        return self.health.host or next(iter(self.domains), "localhost")

    @property
    def redirects(self) -> dict[str, str]:
        """Domains that are only redirected, each with the listed domain it leads to."""
        if not self.www_redirect:
            return {}
        pairs = {_www_twin(domain): domain for domain in self.domains if not domain.startswith("*")}
        return {twin: domain for twin, domain in pairs.items() if twin not in self.domains}

    @property
    def is_django(self) -> bool:
        """Whether a deploy does what a Django project wants."""
        return self.framework == DJANGO

    @property
    def requirement_files(self) -> list[str]:
        """The files in the source that may say what is installed."""
        return list(REQUIREMENT_FILES) if self.requirements is None else self.requirements

    @property
    def is_balanced(self) -> bool:
        """Whether visitors come by way of a balancer, which then has the certificate."""
        return bool(self.roles.get("lb"))

    @property
    def primary(self) -> Host | None:
        """The host that is marked to run the `release` process."""
        return next((entry.host for entry in self._entries.values() if entry.primary), None)

    def machine(self, host: Host) -> Machine:
        """The machine that a host is; two hosts may be one, written in two ways."""
        return self._context.machine(host)

    def entry(self, host: Host) -> HostEntry | None:
        """What the roles say of a host; None when it is in none of them."""
        return self._entries.get(self.machine(host))

    def roles_of(self, host: Host) -> frozenset[str]:
        """The roles that a host is in."""
        return frozenset(self._roles_of.get(self.machine(host), ()))

    def addresses(self, host: Host) -> Sequence[str]:
        """The IP addresses by which the other hosts of the fleet reach one, the best first.

        :raises UsageError: they have not been looked up.
        """
        try:
            return self._addresses[self.machine(host)]
        except KeyError:
            raise UsageError(
                f"the address of {host} has not been looked up, which hostsmith's own tasks do before they call "
                "recipes; in a task of yours, give these `hostsmith.addresses.with_addresses(load(c), c.config)`"
            ) from None

    def reached_at(self, addresses: Mapping[Machine, Sequence[str]]) -> Settings:
        """These settings, knowing the addresses of machines."""
        settings = self.model_copy()
        settings._addresses = addresses
        return settings

    def on(self, host: Host) -> Settings:
        """These settings with a host's own values in place of those for all, and as the sandbox allows for."""
        entry = self.entry(host)
        own = entry.own() if entry else {}
        values: dict[str, Any] = {key: own[key] for key in ("workers", "python") if key in own}
        if self.tls.is_issued and self._context.in_sandbox(self._project, host.host):
            values["tls"] = self.tls.in_sandbox()
        return self.model_copy(update=values).running_once_elsewhere(once_elsewhere(self, host) if entry else ())

    def scaled(self, scale: Mapping[str, int]) -> Settings:
        """These settings with so many of some processes, as `fab scale` has said; for `web` workers of gunicorn."""
        processes = {
            name: process.model_copy(update={"scale": scale[name]}) if name in scale and name != "web" else process
            for name, process in self.processes.items()
        }
        return self.model_copy(update={"processes": processes, "workers": scale.get("web", self.workers)})

    @property
    def elsewhere(self) -> frozenset[str]:
        """The processes that run on one host only, which is not the one that these settings are for."""
        return self._elsewhere

    def running_once_elsewhere(self, names: Iterable[str]) -> Settings:
        """These settings for a host on which some processes do not run, since another one runs them for all."""
        settings = self.model_copy()
        settings._elsewhere = frozenset(names)
        return settings

    def batch_of(self, hosts: int) -> int:
        """How many of so many hosts switch at the same time."""
        if isinstance(self.batch, int):
            return min(self.batch, max(hosts, 1))
        return max(hosts * int(self.batch.rstrip("%")) // 100, 1)

    def in_batches(self, text: str | None) -> Settings:
        """These settings with another `batch`, when one is given on the command line.

        :raises UsageError: it is neither a number nor a percentage.
        """
        if text is None:
            return self
        try:
            return self.model_copy(update={"batch": kind.share(text)})
        except UnexpectedError as error:
            raise UsageError(f"--batch: found {cut(text)!r}, {error}") from None

    def placed(self, project: Path, procfile: Mapping[str, str]) -> Settings:
        """These settings in their project folder, with the Procfile's processes beneath their own.

        :raises SettingsError: a file of the folder that they name cannot be read.
        """
        found = {**processes_of(self.framework), **procfile}
        processes = with_scheduler(with_procfile(found, self.processes), self.cron)
        settings = self.model_copy(update={"processes": processes, "deployers": self.deployers.read(project)})
        settings._project = project
        return settings


def _www_twin(domain: str) -> str:
    return domain.removeprefix("www.") if domain.startswith("www.") else f"www.{domain}"
