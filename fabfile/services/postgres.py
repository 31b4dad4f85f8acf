"""PostgreSQL as a service: a database and user of the app's own."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from ..resources import Package, Reload, Resource, Restart
from ..resources import Service as SystemService
from ..resources.postgres import (
    PostgresClients,
    PostgresDatabase,
    PostgresExtension,
    PostgresListening,
    PostgresTuning,
)
from ..resources.secret import Secret
from ..settings.kinds import ListOf, Text
from ..settings.services import ServiceOptions
from ..settings.values import once_each
from .base import Access, Argv, Restore, Service
from .registry import register

_EXTENSION = "the name of an extension, such as postgis"
_PSQL = ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]


class PostgresOptions(ServiceOptions):
    """What the settings may say of PostgreSQL."""

    extensions: Annotated[
        list[Annotated[str, Text(_EXTENSION, r"[a-z][a-z0-9_-]{0,60}")]],
        AfterValidator(once_each("each extension once")),
        ListOf("a list of extensions such as [postgis]"),
    ] = Field(default_factory=list, description="Extensions of the database; the package that brings one is installed.")


@register
class Postgres(Service):
    """PostgreSQL of the host's Debian."""

    name = "postgres"
    role = "db"
    Options = PostgresOptions
    options: PostgresOptions

    @property
    def port(self) -> int:
        return 5432

    @property
    def database(self) -> str:
        # Names that PostgreSQL has itself, or keeps for itself.
        name = super().database
        is_taken = name in ("postgres", "public", "none", "template0", "template1") or name.startswith("pg_")
        return f"app_{name}" if is_taken else name

    @property
    def _fresh(self) -> str:
        return f"{self.database}_restored"

    def install(self) -> list[Resource]:
        app, database = self.settings.app, self.database
        networks = tuple(str(ipaddress.ip_network(address)) for address in self.clients)
        return [
            Package("postgresql"),
            SystemService("postgresql"),
            PostgresTuning(notify=Restart("postgresql")),
            PostgresListening(app, bool(self.clients), notify=Restart("postgresql")),
            PostgresDatabase(app, database),
            *(PostgresExtension(database, name) for name in self.options.extensions),
            PostgresClients(app, database, networks, notify=Reload("postgresql")),
        ]

    def env(self, access: Access) -> dict[str, Secret | str]:
        url = f"postgresql://{access.user}:{access.password.reveal()}@{access.location}/{access.name}"
        return {
            "DATABASE_URL": Secret(url),
            "CONFIG_PG_DBNAME": access.name,
            "CONFIG_PG_USER": access.user,
            "CONFIG_PG_PASSWORD": access.password,
            "CONFIG_PG_HOST": access.host,
            "CONFIG_PG_PORT": str(access.port),
        }

    def backup(self) -> Argv:
        return ["runuser", "-u", "postgres", "--", "pg_dump", "--format=custom", f"--dbname={self.database}"]

    def restore(self) -> Restore:
        now, fresh, old = f'"{self.database}"', f'"{self._fresh}"', f'"{self.database}_replaced"'
        drop = [f"DROP DATABASE IF EXISTS {fresh} WITH (FORCE)", f"DROP DATABASE IF EXISTS {old} WITH (FORCE)"]
        make = f"CREATE DATABASE {fresh} OWNER {now} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
        # A name of letters, digits and _ alone.
        theirs = f"datname = '{self.database}'"
        end = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {theirs}"  # noqa: S608
        rename = f"ALTER DATABASE {now} RENAME TO {old}; ALTER DATABASE {fresh} RENAME TO {now};"
        # Nobody may come back between the end of their connections and the rename, or it would be refused.
        swap = [f"ALTER DATABASE {now} ALLOW_CONNECTIONS false", end, f"BEGIN; {rename} COMMIT", drop[1]]
        load = ["runuser", "-u", "postgres", "--", "pg_restore", "--exit-on-error", f"--dbname={self._fresh}"]
        return Restore(
            prepare=[_sql(*drop, make, f"REVOKE ALL ON DATABASE {fresh} FROM PUBLIC")],
            load=load,
            swap=[_sql(*swap)],
            abandon=[_sql(drop[0], f"ALTER DATABASE {now} ALLOW_CONNECTIONS true")],
        )

    def clear(self) -> list[Argv]:
        restore = self.restore()
        extensions = [f'CREATE EXTENSION "{name}" CASCADE' for name in self.options.extensions]
        made = [[*_PSQL, "-d", self._fresh, *_commands(*extensions)]] if extensions else []
        return [*restore.prepare, *made, *restore.swap]

    def check(self) -> Argv:
        return [*_PSQL, "-d", self.database, *_commands("SELECT 1")]


def _sql(*statements: str) -> Argv:
    """Statements by the superuser; none of them holds a secret."""
    return [*_PSQL, "-d", "postgres", *_commands(*statements)]


def _commands(*statements: str) -> Argv:
    return [word for statement in statements for word in ("-c", statement)]
