"""MySQL as a service (MariaDB on Debian): a database and user for each app."""

from __future__ import annotations

from ..contract.secret import Secret
from ..resources import Absent, File, Package, Resource, Restart, Service
from ..resources.services.mariadb import LOCAL, MariadbDatabase, MariadbTuning, mark
from .base import Access, AppService, Argv, Restore, as_own_role
from .registry import register

_MOVES = """\
SET SESSION group_concat_max_len = 100000000;
SELECT COALESCE(CONCAT('RENAME TABLE ', GROUP_CONCAT(
  CONCAT('`', table_schema, '`.`', REPLACE(table_name, '`', '``'), '` TO `',
    IF(table_schema = @now, @old, @now), '`.`', REPLACE(table_name, '`', '``'), '`')
  ORDER BY table_schema = @fresh, table_name SEPARATOR ', ')), 'DO 0') INTO @moves
FROM information_schema.tables WHERE table_schema IN (@now, @fresh) AND table_type <> 'VIEW';
EXECUTE IMMEDIATE @moves
"""
# Objects that do not move with tables, or block them. Routines with hidden text could not be restored: they come last.
_DROPS = """\
SELECT CONCAT('DROP ', kind, ' IF EXISTS `', REPLACE(name, '`', '``'), '`;') FROM (
  SELECT 'VIEW' AS kind, table_name AS name, 0 AS hidden FROM information_schema.views WHERE table_schema = DATABASE()
  UNION ALL SELECT 'TRIGGER', trigger_name, 0 FROM information_schema.triggers WHERE trigger_schema = DATABASE()
  UNION ALL SELECT 'EVENT', event_name, 0 FROM information_schema.events WHERE event_schema = DATABASE()
  UNION ALL SELECT routine_type, routine_name, routine_definition IS NULL FROM information_schema.routines
  WHERE routine_schema = DATABASE()
) AS found WHERE hidden = @hidden
"""
_VIEWS = "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()"
_UNREADABLE = """\
SELECT CONCAT(LOWER(routine_type), ' ', routine_name, ' (', definer, ')') FROM information_schema.routines
WHERE routine_schema = DATABASE() AND routine_definition IS NULL
"""
# Connects as the app's user, as the app does. Option files are not read, so only the server's limits apply.
_CLIENT = "--no-defaults --host=127.0.0.1 --port=3306 --skip-ssl --max-allowed-packet=1G"
# Databases beside the app's, which its user may fill: `$1` is the user, `$2` the comment that marks them as ours, and
# the rest are their names.
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
# `$1` is the app's user.
_AS_USER = f"""\
set -e
login="{_CLIENT} --user=$1"
"""
_DUMP = rf"""{_AS_USER}
unreadable=$(mariadb $login -N --raw -e "{_UNREADABLE}" "$2")
if [ -n "$unreadable" ]; then
  echo "MariaDB hides the text of routines from the app's user $1@127.0.0.1 if others defined them; define them again \
as it, or drop them:" $unreadable >&2
  exit 1
fi
exec mariadb-dump $login --single-transaction --routines --triggers --events "$2"
"""
# Definitions of the objects that do not move with tables; one that names its database cannot move.
_CODE = rf"""{_AS_USER}
dump="mariadb-dump $login --no-data --skip-lock-tables --skip-triggers"
code() {{
  $dump --no-create-info --routines --events --triggers $2 "$1"
  views=$(mariadb $login -N --raw -e "{_VIEWS}" "$1")
  printf %s "$views" | tr '\n' '\0' | xargs -0 -r $dump $2 -- "$1"
}}
fresh_code() {{
  code=$(code "$fresh")
  if printf %s "$code" | grep -F "\`$fresh\`" >&2; then
    echo "views, triggers, routines or events of the dump name its database, and cannot be moved to another" >&2
    exit 1
  fi
}}
# A definer may have another address, which the app's user may not name: without it, the user becomes the definer.
own() {{ sed -E '/^(CREATE|\/\*!50(003|106) CREATE\*\/|\/\*!50013) /s/ DEFINER=`[^`]*`@`[^`]*`//'; }}
# Without the client's own commands.
load() {{ mariadb $login --batch --binary-mode --local-infile=0 $2 "$1"; }}
"""
_LOAD = f"""{_CODE}
fresh=$2
own | load "$fresh"
fresh_code
"""
# One statement swaps all tables. Other objects would block them: they are dropped before and created again after; if
# that fails, everything is reverted.
_SWAP = f"""{_CODE}
now=$2 fresh=$3 old=$4 drops=$5 moves=$6
drop() {{ mariadb $login -N --raw -e "SET @hidden = $2; $drops" "$1" | load "$1"; }}
move() {{ mariadb $login -N -e "SET @now = '$now', @fresh = '$1', @old = '$2'; $moves"; }}
put_back() {{ printf '%s\\n' "$before" | own | load "$now" --force; exit 1; }}
fresh_code
before=$(code "$now" --force || true)
drop "$fresh" 0
drop "$now" 0 || put_back
move "$fresh" "$old" || put_back
printf '%s\\n' "$code" | load "$now" || {{ drop "$now" 0; move "$old" "$fresh"; put_back; }}
drop "$now" 1
"""


@register
class Mysql(AppService):
    """MariaDB from the host's packages, which speaks MySQL's protocol."""

    name = "mysql"
    role = "db"

    @property
    def port(self) -> int:
        return 3306

    @property
    def database(self) -> str:
        # Names of MariaDB's own databases.
        name = super().database
        is_taken = name in ("mysql", "information_schema", "performance_schema", "sys")
        return f"app_{name}" if is_taken else name

    @property
    def _fresh(self) -> str:
        # Never an app's database: those have no hyphen in their names.
        return f"{self.database}-restored"

    def install(self) -> list[Resource]:
        app, restart = self.settings.app, Restart("mariadb")
        path = f"/etc/mysql/mariadb.conf.d/61-hostsmith-{app}.cnf"
        # All addresses: it would not start at boot before a single one exists. The firewall and the addresses of its
        # users limit who can connect.
        text = f"# Written by hostsmith: {app} runs on other hosts.\n[mariadbd]\nbind-address = *\n"
        listening = File(path, text, mode=0o644, owner="root", group="root", notify=restart)
        return [
            Package("mariadb-server"),
            Service("mariadb"),
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
        return self._as_app("sh", "-c", _DUMP, "dump", self.database, self.database)

    def restore(self) -> Restore:
        now, fresh, old = self.database, self._fresh, f"{self.database}-replaced"
        rooms = [now, mark(self.settings.app), fresh, old]
        remove = ["sh", "-c", _REMOVE, "remove", *rooms]
        return Restore(
            prepare=[["sh", "-c", _PREPARE, "prepare", *rooms]],
            load=self._as_app("sh", "-c", _LOAD, "load", now, fresh),
            swap=[self._as_app("sh", "-c", _SWAP, "swap", now, now, fresh, old, _DROPS, _MOVES), remove],
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
