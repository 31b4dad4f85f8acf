"""MySQL as a service, which is MariaDB on Debian: a database and user of the app's own."""

from __future__ import annotations

from ..resources import Absent, File, Package, Resource, Restart
from ..resources import Service as SystemService
from ..resources.mariadb import MariadbDatabase, MariadbTuning
from ..resources.secret import Secret
from .base import Access, Argv, Restore, Service
from .registry import register

_LOCAL = ("127.0.0.1", "::1", "localhost")
_OTHERS = """\
SELECT (SELECT COUNT(*) FROM information_schema.views WHERE table_schema IN (@now, @fresh))
+ (SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema IN (@now, @fresh))
"""
_MOVES = """\
SET SESSION group_concat_max_len = 100000000;
SELECT COALESCE(CONCAT('RENAME TABLE ', GROUP_CONCAT(
  CONCAT('`', table_schema, '`.`', table_name, '` TO `', IF(table_schema = @now, @old, @now), '`.`', table_name, '`')
  ORDER BY table_schema = @fresh, table_name SEPARATOR ', ')), '')
FROM information_schema.tables WHERE table_schema IN (@now, @fresh) AND table_type = 'BASE TABLE'
"""
# All tables change places in one statement, but for such as do not go with them.
_SWAP = """\
set -e
names="SET @now = '$1', @fresh = '$2', @old = '$3'"
if [ "$(mariadb -N -e "$names; $4")" != 0 ]; then
  echo "found views or triggers, which cannot change places with tables; load the dump by hand" >&2
  exit 1
fi
mariadb -e "DROP DATABASE IF EXISTS $3; CREATE DATABASE $3"
mariadb -N -r -e "$names; $5" | mariadb
mariadb -e "DROP DATABASE $2; DROP DATABASE $3"
"""


@register
class Mysql(Service):
    """MariaDB of the host's Debian, which speaks MySQL's protocol."""

    name = "mysql"
    role = "db"

    @property
    def port(self) -> int:
        return 3306

    @property
    def database(self) -> str:
        # Names that MariaDB has itself.
        name = super().database
        is_taken = name in ("mysql", "information_schema", "performance_schema", "sys")
        return f"app_{name}" if is_taken else name

    @property
    def _fresh(self) -> str:
        return f"{self.database}_restored"

    def install(self) -> list[Resource]:
        app, restart = self.settings.app, Restart("mariadb")
        path = f"/etc/mysql/mariadb.conf.d/61-hostsmith-{app}.cnf"
        # All addresses: one that is not there yet at boot would keep it from starting. The firewall, and the addresses
        # of its users, say who comes in.
        text = f"# Written by hostsmith: {app} runs on other hosts.\n[mariadbd]\nbind-address = *\n"
        listening = File(path, text, mode=0o644, owner="root", group="root", notify=restart)
        return [
            Package("mariadb-server"),
            SystemService("mariadb"),
            MariadbTuning(notify=restart),
            listening if self.clients else Absent(path, notify=restart),
            MariadbDatabase(app, self.database, self.clients or _LOCAL),
        ]

    def env(self, access: Access) -> dict[str, Secret | str]:
        url = f"mysql://{access.user}:{access.password.reveal()}@{access.location}/{access.name}"
        return {
            "DATABASE_URL": Secret(url),
            "CONFIG_MYSQL_DBNAME": access.name,
            "CONFIG_MYSQL_USER": access.user,
            "CONFIG_MYSQL_PASSWORD": access.password,
            "CONFIG_MYSQL_HOST": access.host,
            "CONFIG_MYSQL_PORT": str(access.port),
        }

    def backup(self) -> Argv:
        return ["mariadb-dump", "--single-transaction", "--routines", "--triggers", "--events", self.database]

    def restore(self) -> Restore:
        now, fresh, old = self.database, self._fresh, f"{self.database}_replaced"
        drop = ["mariadb", "-e", f"DROP DATABASE IF EXISTS {fresh}"]
        return Restore(
            prepare=[drop, ["mariadb", "-e", f"CREATE DATABASE {fresh} CHARACTER SET utf8mb4"]],
            load=["mariadb", "--batch", fresh],
            swap=[["sh", "-c", _SWAP, "swap", now, fresh, old, _OTHERS, _MOVES]],
            abandon=[drop],
        )

    def clear(self) -> list[Argv]:
        return [
            ["mariadb", "-e", f"DROP DATABASE `{self.database}`"],
            ["mariadb", "-e", f"CREATE DATABASE `{self.database}` CHARACTER SET utf8mb4"],
        ]

    def check(self) -> Argv:
        return ["mariadb", "-e", "SELECT 1", self.database]
