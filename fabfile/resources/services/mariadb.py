"""MariaDB: a database and a user per app, reachable from the app's hosts only."""

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
# Addresses of an app on the same host, and of hostsmith itself as the app's user.
LOCAL = ("127.0.0.1", "::1", "localhost")


def mark(app: str) -> str:
    """Return the comment that marks a temporary database of a restore."""
    return f"made by hostsmith for {app}"


@dataclass(frozen=True)
class MariadbTuning(Resource):
    """MariaDB's settings for the host's memory, in a file for all its apps."""

    def describe(self) -> str:
        return "MariaDB's settings"

    def check(self) -> Change | None:
        # supervisor means that apps run on the same host.
        text = tuning(memory.total(), alone=not os.path.isdir("/etc/supervisor"))
        return File(f"{_FOLDER}/60-hostsmith.cnf", text, mode=0o644, owner="root", group="root").check()


def tuning(total: int, alone: bool) -> str:
    """Return a file of settings.

    :param total: bytes of memory of the host.
    :param alone: whether no apps run on the host.
    """
    pool = min(max(total // (2 if alone else 8) // _MB, 64), 64 << 10)
    connections = min(300, max(40, total // (16 * _MB)))
    return (
        "# Written by hostsmith for the memory of this host.\n"
        "[mariadbd]\n"
        f"innodb_buffer_pool_size = {pool}M\n"
        f"max_connections = {connections}\n"
        # Users are bound to addresses, and connections do not wait for DNS.
        "skip-name-resolve\n"
        "character-set-server = utf8mb4\n"
    )


@dataclass(frozen=True)
class MariadbDatabase(Resource):
    """An app's own database and its user.

    :param app: the app, whose password for `mysql` exists already.
    :param database: name of both.
    :param hosts: addresses from which it connects, with a user for each.
    """

    app: str
    database: str
    hosts: tuple[str, ...]

    def describe(self) -> str:
        return f"MariaDB database {self.database}"

    def check(self) -> Change | None:
        password = passwords.kept(self.app).get("mysql")
        if password is None:
            raise ResourceError(f"{self.app} has no password for mysql yet; `fab provision` generates it")
        wanted = mariadb.kept(password.reveal())
        found, is_there, reads = self._found()
        is_known = "mysql" in passwords.users(self.app)
        if (found or is_there) and not (is_known or wanted in found.values()):
            raise ResourceError(
                f"the {'user' if found else 'database'} {self.database} exists in MariaDB, but hostsmith did not "
                f"create it for {self.app}; rename it or the app, or if it is the app's, give its user the password of "
                f"{passwords.path(self.app)}"
            )
        steps = [self._drop(host) for host in found if host not in self.hosts]
        steps += [self._make(host, wanted) for host in self.hosts if found.get(host) != wanted]
        # When the app is on other hosts, the backup needs the text of the routines that it defined from there.
        if self._is_remote and not (reads and found.get(LOCAL[0]) == wanted):
            steps.append(f"GRANT SELECT ON mysql.proc TO '{self.database}'@'{LOCAL[0]}'")
        if reads and not self._is_remote:
            steps.insert(0, f"REVOKE SELECT ON mysql.proc FROM '{self.database}'@'{LOCAL[0]}'")  # noqa: S608
        reasons = ["user"] if steps else []
        if not is_there:
            reasons.append("database")
            steps.insert(0, f"CREATE DATABASE `{self.database}` CHARACTER SET utf8mb4")
        if found and not is_known:
            reasons.append("record of user")
        if not reasons:
            return None
        # Without an undo: the next run can use what was created.
        return Change(f"created {' and '.join(reasons)}", lambda: self._do(steps))

    @property
    def _pattern(self) -> str:
        return self.database.replace("_", "\\_")

    def _found(self) -> tuple[dict[str, str], bool, bool]:
        """Read the user's password hash per address, whether the database exists, and whether the user reads routines.

        :returns: these three.
        """
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
