"""Interface of the services, such as a database."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..contract.base import Resource
from ..contract.secret import Secret
from ..hostkit.programs import own_role
from ..openssh.host import bracketed
from ..settings.services import ServiceOptions

if TYPE_CHECKING:
    from ..settings import Settings

# A program with its arguments, without a shell. Root runs those of a service in /.
Argv = list[str]


@dataclass(frozen=True)
class Access:
    """The app's access to a service.

    :param host: address; 127.0.0.1 if the app runs on the service's host.
    :param port: TCP port; None for a service without one, such as a folder.
    :param name: name of the app's database.
    :param user: the app's user in the service.
    :param password: the user's password, generated once on the service's host.
    """

    host: str
    port: int | None
    name: str
    user: str
    password: Secret

    @property
    def location(self) -> str:
        """Host and port as in a URL."""
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class Restore:
    """Commands that restore a dump: root runs them in / on the service's host, in this order.

    If one fails before `swap`, `abandon` runs, and the app has not been affected.

    :param prepare: makes room for the dump beside the data of the app.
    :param load: reads the dump from standard input.
    :param swap: replaces the data of the app by the loaded data, in one step.
    :param abandon: removes what `prepare` and `load` created.
    """

    prepare: list[Argv]
    load: Argv
    swap: list[Argv]
    abandon: list[Argv]


class AppService(ABC):
    """A service of one app.

    A subclass describes the service by class attributes and methods. All methods are pure: they return resources and
    commands, and reach no host. `docs/services.md` has a whole example.

    :cvar name: its name in the settings.
    :cvar role: role of the host that runs it; None for the host of the app.
    :cvar has_passwords: whether clients need a password; if not, the firewalls of the app's hosts admit only the app's
        user.
    :cvar Options: model of its options in the settings.
    :param settings: settings of the app.
    :param options: its options in the settings.
    :param clients: addresses of its clients; empty if the app runs on the service's host, where the service listens on
        loopback only.
    """

    name: ClassVar[str]
    role: ClassVar[str | None] = None
    has_passwords: ClassVar[bool] = True
    Options: ClassVar[type[ServiceOptions]] = ServiceOptions

    def __init__(self, settings: Settings, options: ServiceOptions, clients: Sequence[str] = ()) -> None:
        self.settings, self.options, self.clients = settings, options, tuple(clients)

    @property
    def port(self) -> int | None:
        """TCP port that the firewall opens for the app's hosts; None without a port."""
        return None

    @property
    def database(self) -> str:
        """Name of the app's database and of its user in the service: letters, digits and _ only."""
        return self.settings.app.replace("-", "_")

    @property
    def home(self) -> str:
        """Role of the host that runs it; empty for the host of the app."""
        return self.options.role or self.role or ""

    @abstractmethod
    def install(self) -> list[Resource]:
        """Return the resources of the service's host: packages, configuration, the app's database and user.

        The password exists by then; a `KeptFile` is a file with the password in it.
        """

    @abstractmethod
    def env(self, access: Access) -> dict[str, Secret | str]:
        """Return the environment variables for the app; a value with the password is a `Secret`."""

    @abstractmethod
    def backup(self) -> Argv:
        """Return the command that writes a dump to standard output, run by root on the service's host.

        It is empty for a service without data to keep, such as a cache.
        """

    @abstractmethod
    def restore(self) -> Restore | None:
        """Return the commands that restore a dump; None if the service has no dumps."""

    @abstractmethod
    def clear(self) -> list[Argv]:
        """Return the commands that delete the app's data, run by root on the service's host."""

    @abstractmethod
    def check(self) -> Argv:
        """Return the health check, run by root on the service's host: exit status 0 if the service is healthy."""


def as_own_role(service: AppService, *argv: str) -> Argv:
    """Run a service's client program with the app's role and password."""
    program = inspect.getsource(own_role)
    return ["python3", "-I", "-c", program, service.settings.app, service.name, service.database, *argv]
