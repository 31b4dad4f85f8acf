"""MySQL as a service, which is MariaDB on Debian: a database and user of the app's own."""

from __future__ import annotations

from ..resources import Absent, File, Package, Resource, Restart
from ..resources import Service as SystemService
from ..resources.mariadb import LOCAL, MariadbDatabase, MariadbTuning, mark
from ..resources.secret import Secret
from .base import Access, Argv, Restore, Service, as_own_role
from .registry import register

_OTHERS = """\
SELECT (SELECT COUNT(*) FROM information_schema.views WHERE table_schema IN (@now, @fresh))
+ (SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema IN (@now, @fresh))
"""
_MOVES = """\
SET SESSION group_concat_max_len = 100000000;
SELECT COALESCE(CONCAT('RENAME TABLE ', GROUP_CONCAT(
  CONCAT('`', table_schema, '`.`', REPLACE(table_name, '`', '``'), '` TO `',
    IF(table_schema = @now, @old, @now), '`.`', REPLACE(table_name, '`', '``'), '`')
  ORDER BY table_schema = @fresh, table_name SEPARATOR ', ')), 'DO 0') INTO @moves
FROM information_schema.tables WHERE table_schema IN (@now, @fresh) AND table_type <> 'VIEW';
EXECUTE IMMEDIATE @moves
"""
# Connected as the app's own user: where an app beside it comes from. Its own start file is not read.
_CLIENT = "--no-defaults --host=127.0.0.1 --port=3306 --skip-ssl"
# Rooms beside what the app uses, which its user may fill: `$1` is the user, `$2` the comment by which they are known as
# ours, and the rest their names.
_ROOMS = """\
user=$1 mark=$2; shift 2
is_others() {
  [ -n "$(mariadb -N -e "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '$name'
    AND SCHEMA_COMMENT <> '$mark'")" ]
}
each() {
  for name in "$@"; do
    grant="ALL PRIVILEGES ON \\`$(echo "$name" | sed 's/_/\\\\_/g')\\`.*"
    $what || exit
  done
}
"""
_PREPARE = f"""{_ROOMS}
prepare() {{
  if is_others; then
    echo "there is a database $name that hostsmith has not made, and a restore needs its name; rename it" >&2
    return 1
  fi
  mariadb -e "DROP DATABASE IF EXISTS \\`$name\\`; CREATE DATABASE \\`$name\\` CHARACTER SET utf8mb4 COMMENT '$mark';
    GRANT $grant TO '$user'@'127.0.0.1'" ||
  {{ echo "\\`fab provision\\` makes the user $user@127.0.0.1" >&2; return 1; }}
}}
what=prepare; each "$@"
"""
_REMOVE = f"""{_ROOMS}
remove() {{
  is_others && return
  mariadb -e "DROP DATABASE IF EXISTS \\`$name\\`" || return
  mariadb -e "REVOKE $grant FROM '$user'@'127.0.0.1'" 2>/dev/null || true
}}
what=remove; each "$@"
"""
# No commands of the client's own. Whoever defined a routine or an event may have come from another address, which the
# app's user may not name: they are the user's own.
_LOAD = rf"""sed -E '/^(CREATE|\/\*!50(003|106) CREATE\*\/|\/\*!50013) /s/ DEFINER=`[^`]*`@`[^`]*`//' |
mariadb {_CLIENT} --user="$1" --batch --binary-mode --local-infile=0 "$2"
"""
# All tables change places in one statement, but for such as do not go with them.
_SWAP = f"""\
set -e
ask() {{ mariadb {_CLIENT} --user="$user" -N -e "SET @now = '$now', @fresh = '$fresh', @old = '$old'; $1"; }}
user=$1 now=$2 fresh=$3 old=$4
if [ "$(ask "$5")" != 0 ]; then
  echo "found views or triggers, which cannot change places with tables; load the dump by hand" >&2
  exit 1
fi
ask "$6"
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
        # No app's own: an app's database has no hyphen in its name.
        return f"{self.database}-restored"

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
            MariadbDatabase(app, self.database, (*self.clients, LOCAL[0]) if self.clients else LOCAL),
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
        what = ["--single-transaction", "--routines", "--triggers", "--events", self.database]
        return self._as_app("mariadb-dump", *_CLIENT.split(), f"--user={self.database}", *what)

    def restore(self) -> Restore:
        now, fresh, old = self.database, self._fresh, f"{self.database}-replaced"
        rooms = [now, mark(self.settings.app), fresh, old]
        remove = ["sh", "-c", _REMOVE, "remove", *rooms]
        return Restore(
            prepare=[["sh", "-c", _PREPARE, "prepare", *rooms]],
            load=self._as_app("sh", "-c", _LOAD, "load", now, fresh),
            swap=[self._as_app("sh", "-c", _SWAP, "swap", now, now, fresh, old, _OTHERS, _MOVES), remove],
            abandon=[remove],
        )

    def clear(self) -> list[Argv]:
        return [
            ["mariadb", "-e", f"DROP DATABASE `{self.database}`"],
            ["mariadb", "-e", f"CREATE DATABASE `{self.database}` CHARACTER SET utf8mb4"],
        ]

    def _as_app(self, *argv: str) -> Argv:
        return as_own_role(self, *argv)

    def check(self) -> Argv:
        return self._as_app("mariadb", *_CLIENT.split(), f"--user={self.database}", "-e", "SELECT 1", self.database)
