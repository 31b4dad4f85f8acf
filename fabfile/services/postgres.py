"""PostgreSQL as a service: a database and user for each app."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from ..contract.secret import Secret
from ..resources import Package, Reload, Resource, Restart, Service
from ..resources.services.postgres import (
    PostgresClients,
    PostgresDatabase,
    PostgresExtension,
    PostgresListening,
    PostgresTuning,
)
from ..settings.kinds import ListOf, Text
from ..settings.services import ServiceOptions
from ..settings.values import once_each
from .base import Access, AppService, Argv, Restore, as_own_role
from .registry import register

_EXTENSION = "the name of an extension, such as postgis"
_PSQL = ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
# From an unlinked file, since its table of contents is read first. Objects of extensions are left to them: comments,
# schemas, and the data of their tables. Without owners and rights: the app's role cannot grant any to others.
_LOAD = """\
set -e
file=$(mktemp -p /var/tmp) && exec 3<>"$file" && rm "$file" && cat >&3
theirs=$(psql -XAtq -d "$1" -c "$2")
list=$(pg_restore --list /dev/fd/3)
printf '%s\\n' "$list" | grep -vF -- "$theirs" | pg_restore --exit-on-error --no-owner --no-privileges \\
  --use-list=/dev/stdin --dbname="$1" /dev/fd/3
"""
# Run in a database that has nothing but the extensions.
_OF_EXTENSIONS = """\
SELECT ' SCHEMA - ' || nspname || ' ' FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')
UNION ALL SELECT ' TABLE DATA ' || nspname || ' ' || relname || ' '
FROM pg_extension CROSS JOIN unnest(extconfig) AS theirs (id)
JOIN pg_class ON pg_class.oid = theirs.id JOIN pg_namespace ON pg_namespace.oid = relnamespace
UNION ALL SELECT ' COMMENT - EXTENSION '
"""
# Statements that create a database's extensions in another one, dependencies first. Extensions of the app's role are in
# its dump, except for the given names.
_EXTENSIONS = """\
SELECT CASE WHEN nspname ~ '^pg_' THEN '' ELSE
  format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I;', nspname, pg_get_userbyid(datdba)) END,
  format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I CASCADE;', extname, nspname)
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace JOIN pg_database ON datname = current_database()
WHERE extname <> 'plpgsql' AND (extowner <> datdba OR extname = ANY (string_to_array(:'names', ' ')))
ORDER BY pg_extension.oid
"""
_MAKE_EXTENSIONS = """\
now=$1 fresh=$2 names=$3 query=$4; shift 4
path="options='-csearch_path=pg_catalog -cclient_min_messages=warning'"
made=$(printf '%s\n' "$query" | "$@" -At -F ' ' -v names="$names" -d "dbname=$now $path") &&
printf '%s\n' "$made" | "$@" -d "dbname=$fresh $path"
"""
# Copies what the server stores about a database outside of it.
_CARRY = """\
DO $do$ DECLARE
  now pg_database := (SELECT each FROM pg_database AS each WHERE datname = '{now}');
  fresh pg_database := (SELECT each FROM pg_database AS each WHERE datname = '{fresh}');
  command text;
BEGIN
  INSERT INTO pg_db_role_setting SELECT fresh.oid, setrole, setconfig FROM pg_db_role_setting
  WHERE setdatabase = now.oid;
  FOR command IN
    SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, fresh.datname,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
      || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM aclexplode(coalesce(now.datacl, acldefault('d', now.datdba)))
    UNION ALL SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', fresh.datname, now.datconnlimit)
    UNION ALL SELECT format('COMMENT ON DATABASE %I IS %L', fresh.datname, shobj_description(now.oid, 'pg_database'))
  LOOP
    EXECUTE command;
  END LOOP;
END $do$
"""


class PostgresOptions(ServiceOptions):
    """Options of PostgreSQL."""

    extensions: Annotated[
        list[Annotated[str, Text(_EXTENSION, r"[a-z][a-z0-9_-]{0,60}")]],
        AfterValidator(once_each("each extension once")),
        ListOf("a list of extensions such as [postgis]"),
    ] = Field(default_factory=list, description="Extensions of the database; their packages are installed.")


@register
class Postgres(AppService):
    """PostgreSQL from the host's packages."""

    name = "postgres"
    role = "db"
    Options = PostgresOptions
    options: PostgresOptions

    @property
    def port(self) -> int:
        return 5432

    @property
    def database(self) -> str:
        # Names that PostgreSQL uses or reserves.
        name = super().database
        is_taken = name in ("postgres", "public", "none", "template0", "template1") or name.startswith("pg_")
        return f"app_{name}" if is_taken else name

    @property
    def _fresh(self) -> str:
        # Never an app's database: those have no hyphen in their names.
        return f"{self.database}-restored"

    def install(self) -> list[Resource]:
        app, database = self.settings.app, self.database
        networks = tuple(str(ipaddress.ip_network(address)) for address in self.clients)
        return [
            Package("postgresql"),
            Service("postgresql"),
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
        return self._as_app("pg_dump", "--format=custom", f"--dbname={self.database}")

    def restore(self) -> Restore:
        now, fresh, old = f'"{self.database}"', f'"{self._fresh}"', f'"{self.database}-replaced"'
        drop = [f"DROP DATABASE IF EXISTS {fresh} WITH (FORCE)", f"DROP DATABASE IF EXISTS {old} WITH (FORCE)"]
        # Only the superuser can connect until the extensions exist, and so finds nothing that an app has left.
        shut = f"CREATE DATABASE {fresh} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8' ALLOW_CONNECTIONS false"
        make = [shut, f"REVOKE ALL ON DATABASE {fresh} FROM PUBLIC", f"ALTER DATABASE {fresh} ALLOW_CONNECTIONS true"]
        names = [self.database, self._fresh, " ".join(self.options.extensions)]
        extensions = ["SET search_path = public"]
        extensions += [f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE' for name in self.options.extensions]
        # A name of letters, digits and _ alone.
        theirs = f"datname = '{self.database}'"
        end = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {theirs}"  # noqa: S608
        rename = f"ALTER DATABASE {now} RENAME TO {old}; ALTER DATABASE {fresh} RENAME TO {now};"
        # A client that connects again before the rename would make it fail.
        carry = _CARRY.format(now=self.database, fresh=self._fresh)
        come = f"ALTER DATABASE {now} ALLOW_CONNECTIONS"
        swap = [f"{come} false", end, f"BEGIN; {carry}; {rename} COMMIT", drop[1]]
        return Restore(
            prepare=[
                _sql(self._only_ours, f"{come} true", *drop, *make),
                ["sh", "-c", _MAKE_EXTENSIONS, "extensions", *names, _EXTENSIONS, *_PSQL],
                _sql(*extensions, database=self._fresh),
                _sql(f"ALTER DATABASE {fresh} OWNER TO {now}"),
            ],
            load=self._as_app("sh", "-c", _LOAD, "load", self._fresh, _OF_EXTENSIONS),
            swap=[_sql(*swap)],
            abandon=[_sql(f"{come} true", self._only_ours, drop[0])],
        )

    @property
    def _only_ours(self) -> str:
        """A statement that fails if another role owns a database with a name that a restore uses."""
        names = f"('{self._fresh}', '{self.database}-replaced')"
        owners = f"pg_get_userbyid(datdba) NOT IN (current_user, '{self.database}')"
        found = f"SELECT FROM pg_database WHERE datname IN {names} AND {owners}"  # noqa: S608
        words = f"there is a database of another role with one of the names {names}, which a restore needs; rename it"
        return f"DO $$ BEGIN IF EXISTS ({found}) THEN RAISE EXCEPTION $text${words}$text$; END IF; END $$"

    def clear(self) -> list[Argv]:
        restore = self.restore()
        return [*restore.prepare, *restore.swap]

    def check(self) -> Argv:
        return self._as_app("psql", "-XAtq", "-d", self.database, "-c", "SELECT 1")

    def _as_app(self, *argv: str) -> Argv:
        return as_own_role(self, *argv)


def _sql(*statements: str, database: str = "postgres") -> Argv:
    """Run statements as the superuser, without secrets.

    Names are looked up in PostgreSQL's catalog only: a role that may create functions in a database could shadow them.
    """
    commands = [word for statement in statements for word in ("-c", statement)]
    return [*_PSQL, "-d", f"dbname={database} options=-csearch_path=pg_catalog", *commands]
