"""MariaDB: a database for each app, and a user of its own that comes from its hosts only."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.app import passwords
from ...hostkit.linux import memory
from ...hostkit.programs import mariadb
from ..file import File

_MB = 1 << 20
_FOLDER = "/etc/mysql/mariadb.conf.d"
# Where an app beside it comes from, and hostsmith itself as the app's user.
LOCAL = ("127.0.0.1", "::1", "localhost")


def mark(app: str) -> str:
    """The comment of a database that is made on the way of a restore, and for nothing else."""
    return f"made by hostsmith for {app}"


@dataclass(frozen=True)
class MariadbTuning(Resource):
    """MariaDB's memory and connections, from what the host has; a file for all apps on it."""

    def describe(self) -> str:
        return "MariaDB's settings"

    def check(self) -> Change | None:
        # Where supervisor is, apps run beside it.
        text = tuning(memory.total(), alone=not os.path.isdir("/etc/supervisor"))
        return File(f"{_FOLDER}/60-hostsmith.cnf", text, mode=0o644, owner="root", group="root").check()


def tuning(total: int, alone: bool) -> str:
    """A file of settings.

    :param total: bytes of memory of the host.
    :param alone: whether no apps run beside it.
    """
    pool = min(max(total // (2 if alone else 8) // _MB, 64), 64 << 10)
    connections = min(300, max(40, total // (16 * _MB)))
    return (
        "# Written by hostsmith for the memory of this host.\n"
        "[mariadbd]\n"
        f"innodb_buffer_pool_size = {pool}M\n"
        f"max_connections = {connections}\n"
        # Users are those of addresses, and nothing of a host waits for its DNS.
        "skip-name-resolve\n"
        "character-set-server = utf8mb4\n"
    )


@dataclass(frozen=True)
class MariadbDatabase(Resource):
    """An app's own database, and its user there.

    :param app: the app, whose password for `mysql` was made before.
    :param database: name of both.
    :param hosts: addresses that it comes from; a user for each of them and no other.
    """

    app: str
    database: str
    hosts: tuple[str, ...]

    def describe(self) -> str:
        return f"MariaDB database {self.database}"

    def check(self) -> Change | None:
        password = passwords.kept(self.app).get("mysql")
        if password is None:
            raise ResourceError(f"there is no password of {self.app} for mysql yet; `fab provision` makes it")
        wanted = mariadb.kept(password.reveal())
        found, is_there, reads = self._found()
        is_known = "mysql" in passwords.users(self.app)
        if (found or is_there) and not (is_known or wanted in found.values()):
            raise ResourceError(
                f"there is a {'user' if found else 'database'} {self.database} in MariaDB that hostsmith has not made "
                f"for {self.app}; rename it or the app, or if it is the app's, give its user the password of "
                f"{passwords.path(self.app)}"
            )
        steps = [self._drop(host) for host in found if host not in self.hosts]
        steps += [self._make(host, wanted) for host in self.hosts if found.get(host) != wanted]
        # The app comes from elsewhere; to back up the routines that it has defined there takes their text.
        if self._is_remote and not (reads and found.get(LOCAL[0]) == wanted):
            steps.append(f"GRANT SELECT ON mysql.proc TO '{self.database}'@'{LOCAL[0]}'")
        if reads and not self._is_remote:
            steps.insert(0, f"REVOKE SELECT ON mysql.proc FROM '{self.database}'@'{LOCAL[0]}'")  # noqa: S608
        reasons = ["user"] if steps else []
        if not is_there:
            reasons.append("database")
            steps.insert(0, f"CREATE DATABASE `{self.database}` CHARACTER SET utf8mb4")
        if found and not is_known:
            reasons.append("note of user")
        if not reasons:
            return None
        # What was made is of use to the next run, so it is not taken back.
        return Change(f"made {' and '.join(reasons)}", lambda: self._do(steps))

    @property
    def _pattern(self) -> str:
        return self.database.replace("_", "\\_")

    def _found(self) -> tuple[dict[str, str], bool, bool]:
        """What is kept of the user's password, by each address that it may come from; if the database is there, and if
        the user reads the text of routines."""
        users = "SELECT 'user', Host, authentication_string FROM mysql.user WHERE User = "
        databases = "SELECT 'database', '', '' FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "
        reads = f"SELECT 'reads', '', '' FROM mysql.tables_priv WHERE Table_name = 'proc' AND Host = '{LOCAL[0]}'"  # noqa: S608
        reads += " AND User = "
        rows = mariadb.ask("".join(f"{each}'{self.database}';\n" for each in (users, databases, reads)))
        kinds = {row[0] for row in rows}
        return {host: kept for kind, host, kept in rows if kind == "user"}, "database" in kinds, "reads" in kinds

    def _drop(self, host: str) -> str:
        return f"DROP USER '{self.database}'@'{host}'"

    def _make(self, host: str, kept: str) -> str:
        user = f"'{self.database}'@'{host}'"
        return (
            f"CREATE OR REPLACE USER {user} IDENTIFIED BY PASSWORD '{kept}'; "
            f"GRANT ALL PRIVILEGES ON `{self._pattern}`.* TO {user}"
        )

    @property
    def _is_remote(self) -> bool:
        return any(host not in LOCAL for host in self.hosts)

    def _do(self, steps: list[str]) -> None:
        passwords.remember_user(self.app, "mysql")
        if steps:
            mariadb.ask("".join(f"{step};\n" for step in steps))
