"""The contract for a service that an app asks for by name, such as a database: what each kind of them can do."""

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

# A program with its arguments; no shell takes part. Those of a service are run by root in /.
Argv = list[str]


@dataclass(frozen=True)
class Access:
    """How the app reaches a service.

    :param host: address; 127.0.0.1 when the app runs on the service's own host.
    :param port: TCP port; None for a service that has none, such as a folder.
    :param name: of the app's database.
    :param user: the app's own in the service.
    :param password: that user's; it was made up on the service's host and stays.
    """

    host: str
    port: int | None
    name: str
    user: str
    password: Secret

    @property
    def location(self) -> str:
        """Host and port as they stand in a URL."""
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class Restore:
    """The way of a dump into a service, by commands that root runs in / on the service's host, in this order.

    What fails before `swap` is followed by `abandon`, and the app has noticed nothing.

    :param prepare: makes room for the dump beside what the app uses.
    :param load: reads the dump on its standard input.
    :param swap: what was loaded takes the place of what the app uses, in one step.
    :param abandon: takes away what `prepare` and `load` made.
    """

    prepare: list[Argv]
    load: Argv
    swap: list[Argv]
    abandon: list[Argv]


class Service(ABC):
    """One kind of service, for one app.

    A subclass says in class attributes what it is, and has a method for each thing that hostsmith wants of it. All of
    them are pure: they return resources and commands, and reach no host. `docs/services.md` has a whole example.

    :cvar name: by which the settings ask for it.
    :cvar role: whose host it runs on; None: always the app's own.
    :cvar has_passwords: whether it refuses who does not know the app's; if not, the firewalls of the app's hosts let
        only the app's user come to it.
    :cvar Options: what the settings may say of it.
    :param settings: of the app.
    :param options: what they say of this service.
    :param clients: addresses that it must be reached from; empty when the app runs on the service's own host, where
        it listens on loopback alone.
    """

    name: ClassVar[str]
    role: ClassVar[str | None] = None
    has_passwords: ClassVar[bool] = True
    Options: ClassVar[type[ServiceOptions]] = ServiceOptions

    def __init__(self, settings: Settings, options: ServiceOptions, clients: Sequence[str] = ()) -> None:
        self.settings, self.options, self.clients = settings, options, tuple(clients)

    @property
    def port(self) -> int | None:
        """The TCP port that the firewall opens for the app's hosts; None when it has none."""
        return None

    @property
    def database(self) -> str:
        """The name of the app's database and of its user in the service: letters, digits and _ alone."""
        return self.settings.app.replace("-", "_")

    @property
    def home(self) -> str:
        """The name of the role whose host it runs on, as the settings have it; empty for the app's own host."""
        return self.options.role or self.role or ""

    @abstractmethod
    def install(self) -> list[Resource]:
        """What the service's host needs: packages, configuration, a database and user of the app's own.

        The password is made before; a `KeptFile` is a file that it stands in.
        """

    @abstractmethod
    def env(self, access: Access) -> dict[str, Secret | str]:
        """The environment variables by which the app is told; what holds the password is a `Secret`."""

    @abstractmethod
    def backup(self) -> Argv:
        """A command that root runs on the service's host, with the dump on its standard output; empty when there is
        nothing that would have to be kept, as in a cache."""

    @abstractmethod
    def restore(self) -> Restore | None:
        """The way of such a dump back; None when there is none."""

    @abstractmethod
    def clear(self) -> list[Argv]:
        """Commands that root runs on the service's host to empty it."""

    @abstractmethod
    def check(self) -> Argv:
        """A command that root runs on the service's host; it ends with status 0 when the service is well."""


def as_own_role(service: Service, *argv: str) -> Argv:
    """A client program of a service, with the app's own role and password, by the service's host."""
    program = inspect.getsource(own_role)
    return ["python3", "-I", "-c", program, service.settings.app, service.name, service.database, *argv]
