"""Redis as a service: a server of the app's own, for queues and caches."""

from __future__ import annotations

from pydantic import Field

from ..contract.secret import Secret
from ..resources import Command, Directory, File, Package, Resource, Restart
from ..resources import Service as SystemService
from ..resources.own_user import OwnUser
from ..resources.services.password import KeptFile
from ..resources.services.port import Port
from ..settings import values as kind
from ..settings.services import ServiceOptions
from .base import Access, Argv, Restore, Service
from .options import Memory
from .registry import register

# The password stands in the configuration and goes by the environment, which only root can see.
_CLIENT = """\
config=$1 port=$2; shift 2
export REDISCLI_AUTH="$(sed -n "s/^requirepass //p" "$config")"
redis-cli --no-auth-warning -p "$port" "$@"
"""
# By way of a file: what it writes to standard output ends with the mark of its own protocol.
_DUMP = """\
export REDISCLI_AUTH="$(sed -n "s/^requirepass //p" "$1")"
file=$(mktemp -p "$3") && trap 'rm -f "$file"' EXIT &&
redis-cli --no-auth-warning -p "$2" --rdb "$file" >&2 && cat "$file"
"""
# What Redis 7 reads when it starts, of a single file that is a dump.
_LOAD = """\
cat > "$1/appendonly.aof.1.base.rdb" && redis-check-rdb "$1/appendonly.aof.1.base.rdb" >&2 &&
printf "file appendonly.aof.1.base.rdb seq 1 type b\\n" > "$1/appendonly.aof.manifest"
"""
# Debian's unit has all servers run as one user, who sees the data and passwords of all.
_CONFINED = """\
# Written by hostsmith for {app}.
[Unit]
Before=supervisor.service

[Service]
User={user}
Group={user}
ReadWritePaths=
ReadWritePaths={data}
TemporaryFileSystem=/var/lib/redis:ro /etc/redis:ro
BindPaths={data}
BindReadOnlyPaths={config}:/etc/redis/redis-{app}.conf
"""
_OURS = "^# Written by hostsmith"
_AS = """\
user=$1; shift
id -u "$user" >/dev/null 2>&1 || { echo "there is no user $user here yet; run fab provision first" >&2; exit 1; }
exec runuser -u "$user" -g "$user" -G redis -- "$@"
"""
# It saves when it is stopped, and would wait for ever for a folder that is not its own any more.
_GIVE = """\
if [ -L "$3" ]; then echo "$3 is a link, which is not followed; mount its folder there (mount --bind)" >&2; exit 1; fi
systemctl stop -- "$1" && chown --recursive --no-dereference "$2:$2" "$3" && systemctl daemon-reload
systemctl start -- "$1"
"""
_GIVEN = '[ ! -d "$1" ] || [ "$(stat -c %U "$1")" = "$2" ]'
_SWAP = """\
user=$4
redis() { runuser -u "$user" -g "$user" -G redis -- "$@"; }
systemctl stop -- "$1" && redis rm -rf "$2.replaced" && redis mv -T "$2" "$2.replaced" && redis mv -T "$3" "$2" &&
systemctl start -- "$1" ||
{ redis rm -rf "$2" && redis mv -T "$2.replaced" "$2"; systemctl start -- "$1"; exit 1; }
redis rm -rf "$2.replaced"
"""


class RedisOptions(ServiceOptions):
    """What the settings may say of Redis."""

    memory: Memory = Field(None, description="What it may hold, such as `64m`. Default: an eighth of the host's.")
    port: kind.Port = Field(6379, description="TCP port; each app on a host has one of its own.")


@register
class Redis(Service):
    """Redis of the host's Debian."""

    name = "redis"
    role = "cache"
    Options = RedisOptions
    options: RedisOptions

    @property
    def port(self) -> int:
        return self.options.port

    @property
    def _unit(self) -> str:
        return f"redis-server@{self.settings.app}.service"

    @property
    def _config(self) -> str:
        return f"/etc/hostsmith/redis-{self.settings.app}.conf"

    @property
    def _old(self) -> str:
        return f"/etc/redis/redis-{self.settings.app}.conf"

    @property
    def _data(self) -> str:
        return f"/var/lib/redis/{self.settings.app}"

    @property
    def _user(self) -> str:
        # The longest name that useradd takes; one that two apps would share is refused by its mark.
        return f"redis-{self.settings.app}"[:32]

    @property
    def _as_redis(self) -> Argv:
        """What lies in Redis' folder is Redis', and is read and written by no one else: it may lead anywhere."""
        # The package's group opens the folder around it.
        return ["sh", "-c", _AS, "as", self._user]

    def install(self) -> list[Resource]:
        unit = f"/etc/systemd/system/{self._unit}.d"
        variables = {"app": self.settings.app, "user": self._user, "data": self._data, "config": self._config}
        return [
            Package("redis-server"),
            Port(
                *(self.port, self._unit, "redis-server.service"),
                *("DBSIZE\r\n", ":0\r\n"),
                "services: {redis: {port: 6380}}",
            ),
            OwnUser(self._user, f"Redis of {self.settings.app}", "/nonexistent"),
            Directory(unit, mode=0o755),
            File(f"{unit}/hostsmith.conf", _CONFINED.format(**variables), mode=0o644, notify=Restart(self._unit)),
            Directory("/etc/hostsmith", mode=0o755),
            KeptFile(
                *(self._config, self._text(), self.settings.app, self.name),
                *(0o640, "root", self._user),
                notify=Restart(self._unit),
            ),
            # What versions had that ran all of them as one user.
            Command(
                ["sh", "-c", _GIVE, "give", self._unit, self._user, self._data],
                unless=["sh", "-c", _GIVEN, "given", self._data, self._user],
                label=f"data of Redis given to {self._user}",
            ),
            Directory(self._data, mode=0o750, owner=self._user, group=self._user),
            # Its place before, in a folder that all servers could write to.
            Command(["rm", "--", self._old], only_if=["grep", "-qs", _OURS, self._old], label=f"removed {self._old}"),
            SystemService(self._unit),
        ]

    def _text(self) -> str:
        # All addresses: one that is not there yet at boot would be passed over; the firewall says who comes in.
        bind = "* -::*" if self.clients else "127.0.0.1 -::1"
        memory = self.options.memory or "%MEMORY/8%m"
        return (
            f"# Written by hostsmith for {self.settings.app}.\n"
            f"bind {bind}\n"
            f"port {self.port}\n"
            f"requirepass %PASSWORD%\n"
            f"dir {self._data}\n"
            f"maxmemory {memory}b\n"
            # A cache's entries have an end and make room; a queue's have none and stay.
            "maxmemory-policy volatile-lru\n"
            "appendonly yes\n"
            "supervised systemd\n"
            f"pidfile /run/redis-{self.settings.app}/redis-server.pid\n"
        )

    def env(self, access: Access) -> dict[str, Secret | str]:
        server = f"redis://:{access.password.reveal()}@{access.location}"
        # A cache of its own, which can be emptied without the queue.
        cache = {} if "memcached" in self.settings.services else {"CACHE_URL": Secret(f"{server}/1")}
        return {
            "REDIS_URL": Secret(f"{server}/0"),
            **cache,
            "CONFIG_REDIS_HOST": access.host,
            "CONFIG_REDIS_PORT": str(access.port),
            "CONFIG_REDIS_PASSWORD": access.password,
            "CONFIG_REDIS_DB": "0",
        }

    def backup(self) -> Argv:
        return [*self._as_redis, "sh", "-c", _DUMP, "dump", self._config, str(self.port), self._data]

    def restore(self) -> Restore:
        now, fresh = f"{self._data}/appendonlydir", f"{self._data}/restored"
        return Restore(
            prepare=[[*self._as_redis, "rm", "-rf", fresh], [*self._as_redis, "mkdir", "-m", "750", fresh]],
            load=[*self._as_redis, "sh", "-c", _LOAD, "load", fresh],
            swap=[["sh", "-c", _SWAP, "swap", self._unit, now, fresh, self._user]],
            abandon=[[*self._as_redis, "rm", "-rf", fresh]],
        )

    def clear(self) -> list[Argv]:
        return [self._client("-e", "FLUSHALL")]

    def check(self) -> Argv:
        return self._client("-e", "PING")

    def _client(self, *arguments: str) -> Argv:
        return [*self._as_redis, "sh", "-c", _CLIENT, "redis-cli", self._config, str(self.port), *arguments]
