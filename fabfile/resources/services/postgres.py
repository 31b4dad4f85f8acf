"""PostgreSQL: tuning, and a database and user per app, reachable from its hosts only."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.app import passwords
from ...hostkit.linux import filesystem, memory
from ...hostkit.programs import apt, postgres
from ..absent import Absent
from ..file import File
from ..validated import Validated

_MB = 1 << 20
# Debian's packages of third-party extensions whose names differ.
_PACKAGES = {"postgis": "postgis-3", "vector": "pgvector"}
_OF_POSTGIS = "postgis_"


@dataclass(frozen=True)
class PostgresTuning(Resource):
    """PostgreSQL's settings for the host's memory, in a file for all its apps."""

    def describe(self) -> str:
        return "PostgreSQL's settings"

    def check(self) -> Change | None:
        # supervisor means that apps run on the same host.
        return _settings("hostsmith", tuning(memory.total(), alone=not os.path.isdir("/etc/supervisor")))


def tuning(total: int, alone: bool) -> str:
    """Return a file of settings.

    :param total: bytes of memory of the host.
    :param alone: whether no apps run on the host.
    """
    # The manual recommends a quarter for the buffers of a dedicated server, and the rest for the kernel's cache.
    buffers = min(total // (4 if alone else 8), 8 << 30)
    cache = total * 3 // 4 if alone else total // 2
    connections = min(200, max(40, total // (16 * _MB)))
    # A connection may use it several times at once, but few do at the same time.
    work = min(64 * _MB, max(4 * _MB, total // 4 // connections))
    return (
        "# Written by hostsmith for the memory of this host.\n"
        f"shared_buffers = {max(buffers // _MB, 32)}MB\n"
        f"effective_cache_size = {max(cache // _MB, 64)}MB\n"
        f"work_mem = {work // _MB}MB\n"
        f"maintenance_work_mem = {min(1024, max(32, total // 16 // _MB))}MB\n"
        f"max_connections = {connections}\n"
        # For SSDs, which VPSes have.
        "random_page_cost = 1.1\n"
    )


@dataclass(frozen=True)
class PostgresListening(Resource):
    """PostgreSQL listening for other hosts, for an app that runs there.

    On all addresses: one that is missing at its start would be ignored until the next start. The firewall and
    `PostgresClients` restrict access.

    :param app: the app.
    :param wanted: whether it runs on other hosts.
    """

    app: str
    wanted: bool

    def describe(self) -> str:
        return f"PostgreSQL for the hosts of {self.app}"

    def check(self) -> Change | None:
        text = f"# Written by hostsmith: {self.app} runs on other hosts.\nlisten_addresses = '*'\n"
        return _settings(f"hostsmith-{self.app}", text if self.wanted else None)


def _settings(name: str, text: str | None) -> Change | None:
    """Check a validated file of settings; None for the text: no such file."""
    cluster = postgres.cluster()
    path = f"{cluster.etc}/conf.d/{name}.conf"
    file = Absent(path) if text is None else File(path, text, mode=0o644, owner="root", group="root")
    return Validated("PostgreSQL's settings", (file,), validate=cluster.settings).check()


@dataclass(frozen=True)
class PostgresClients(Resource):
    """Network access to an app's database: its user, with its password, from its hosts.

    :param app: the app.
    :param database: its database, and the user of the same name.
    :param networks: the hosts' addresses, each with its prefix length.
    """

    app: str
    database: str
    networks: tuple[str, ...]

    def describe(self) -> str:
        return f"PostgreSQL's clients of {self.app}"

    def check(self) -> Change | None:
        path = f"{postgres.cluster().etc}/pg_hba.conf"
        now = (filesystem.read(path) or b"").decode("utf-8", "surrogateescape")
        then = self.within(now).encode("utf-8", "surrogateescape")
        return File(path, then).check()

    def within(self, text: str) -> str:
        """Replace this app's lines in a pg_hba.conf, at its end."""
        first, last = f"# Clients of {self.app}, written by hostsmith.\n", f"# End of {self.app}.\n"
        others = re.sub(rf"^{re.escape(first)}(?s:.*?)^{re.escape(last)}", "", text, flags=re.MULTILINE)
        lines = [f'host "{self.database}" "{self.database}" {network} scram-sha-256\n' for network in self.networks]
        if not lines:
            return others
        return "".join([others.rstrip("\n") + "\n", first, *lines, last])


@dataclass(frozen=True)
class PostgresDatabase(Resource):
    """An app's own user and database, to which no other app's user can connect.

    :param app: the app, whose password for `postgres` exists already.
    :param database: name of both.
    """

    app: str
    database: str

    def describe(self) -> str:
        return f"PostgreSQL database {self.database}"

    def check(self) -> Change | None:
        password = passwords.kept(self.app).get("postgres")
        if password is None:
            raise ResourceError(f"{self.app} has no password for postgres yet; `fab provision` generates it")
        found = self._found()
        user, owner = found.get("user"), found.get("owner")
        is_set = user is not None and postgres.is_verifier_of(user, password.reveal())
        is_known = "postgres" in passwords.users(self.app)
        if user is not None and not (is_set or is_known):
            raise ResourceError(
                f"the role {self.database} exists in PostgreSQL, but hostsmith did not create it for {self.app}; "
                f"rename it or the app, or if it is the app's, give it the password of {passwords.path(self.app)}"
            )
        if owner not in (None, self.database):
            raise ResourceError(
                f"the database {self.database} exists in PostgreSQL, but belongs to {owner} and not to this app; "
                f'rename it: ALTER DATABASE "{self.database}" RENAME TO other'
            )
        steps = []
        if is_set and not is_known:
            steps.append(("record of user", self._remember))
        if not is_set:
            steps.append(("user", self._set_user))
        if owner is None:
            steps.append(("database", self._make_database))
        if not steps:
            return None

        def apply() -> None:
            for _, step in steps:
                step()

        # Without an undo: the next run can use what was created.
        return Change(f"created {' and '.join(name for name, _ in steps)}", apply)

    def _found(self) -> dict[str, str]:
        """Read the verifier of the "user" and the "owner" of the database, as far as they exist."""
        user = "SELECT 'user', coalesce(rolpassword, '') FROM pg_authid WHERE rolname = :'name'"
        owner = "SELECT 'owner', pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = :'name'"
        rows = postgres.ask(f"{user} UNION ALL {owner}", name=self.database)
        return {row[0]: row[1] for row in rows}

    def _remember(self) -> None:
        passwords.remember_user(self.app, "postgres")

    def _set_user(self) -> None:
        self._remember()
        if not postgres.ask("SELECT 1 FROM pg_roles WHERE rolname = :'name'", name=self.database):
            postgres.ask('CREATE ROLE :"name"', name=self.database)
        verifier = postgres.verifier(passwords.kept(self.app)["postgres"].reveal())
        postgres.ask("ALTER ROLE :\"name\" LOGIN PASSWORD :'verifier'", name=self.database, verifier=verifier)

    def _make_database(self) -> None:
        # A collation that no upgrade of the host changes.
        options = "OWNER :\"name\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
        postgres.ask(f'CREATE DATABASE :"name" {options}', name=self.database)
        postgres.ask('REVOKE ALL ON DATABASE :"name" FROM PUBLIC', name=self.database)


@dataclass(frozen=True)
class PostgresExtension(Resource):
    """An extension in an app's database, with its package for the host's version of PostgreSQL.

    :param database: the database.
    :param name: its name for CREATE EXTENSION.
    """

    database: str
    name: str

    def describe(self) -> str:
        return f"PostgreSQL extension {self.name}"

    def check(self) -> Change | None:
        found = postgres.ask("SELECT 1 FROM pg_extension WHERE extname = :'name'", self.database, name=self.name)
        return None if found else Change("created", self._create)

    def _create(self) -> None:
        if not postgres.ask("SELECT 1 FROM pg_available_extensions WHERE name = :'name'", name=self.name):
            self._install()
        postgres.ask('SET search_path = public; CREATE EXTENSION :"name" CASCADE', self.database, name=self.name)

    def _install(self) -> None:
        package = package_of(self.name, postgres.cluster().version)
        try:
            apt.install([package], max_age=86400)
        except ResourceError as error:
            raise ResourceError(
                f"PostgreSQL has no extension {self.name} here, and the package {package} cannot be installed; name "
                f"another extension, or add its package to `packages`\n{error}"
            ) from error


def package_of(extension: str, version: str) -> str:
    """Return Debian's package of an extension for a version of PostgreSQL."""
    base = "postgis" if extension.startswith(_OF_POSTGIS) else extension
    return f"postgresql-{version}-{_PACKAGES.get(base, base.replace('_', '-'))}"
