"""Redis as a service: a server for each app, for queues and caches."""

from __future__ import annotations

from pydantic import Field

from ..contract.secret import Secret
from ..resources import Command, Directory, File, Package, Resource, Restart, Service
from ..resources.own_user import OwnUser
from ..resources.services.password import KeptFile
from ..resources.services.port import Port
from ..settings import values as kind
from ..settings.services import ServiceOptions
from .base import Access, AppService, Argv, Restore
from .registry import register

# The password is read from the configuration and passed by the environment, which only root can see.
_CLIENT = """\
config=$1 port=$2; shift 2
export REDISCLI_AUTH="$(sed -n "s/^requirepass //p" "$config")"
redis-cli --no-auth-warning -p "$port" "$@"
"""
# Through a file: on standard output redis-cli adds a marker of its protocol.
_DUMP = """\
export REDISCLI_AUTH="$(sed -n "s/^requirepass //p" "$1")"
file=$(mktemp -p "$3") && trap 'rm -f "$file"' EXIT &&
redis-cli --no-auth-warning -p "$2" --rdb "$file" >&2 && cat "$file"
"""
# Files that Redis 7 reads at start, from a single dump.
_LOAD = """\
cat > "$1/appendonly.aof.1.base.rdb" && redis-check-rdb "$1/appendonly.aof.1.base.rdb" >&2 &&
printf "file appendonly.aof.1.base.rdb seq 1 type b\\n" > "$1/appendonly.aof.manifest"
"""
# Debian's unit runs all servers as one user, who sees the data and passwords of all.
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
# Redis saves when it stops, and would wait forever for a folder that it no longer owns.
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
    """Options of Redis."""

    memory: kind.Memory = Field(None, description="Memory limit. Default: an eighth of the host's memory.")
    port: kind.Port = Field(6379, description="TCP port. Each app on a host needs a different one.")


@register
class Redis(AppService):
    """Redis from the host's packages."""

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
        # useradd takes at most 32 characters; a name that two apps would share is refused by its owner's mark.
        return f"redis-{self.settings.app}"[:32]

    @property
    def _as_redis(self) -> Argv:
        """Run a command as Redis: links in its folder then lead no further than Redis itself gets."""
        # The package's group gives access to the parent folder.
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
            # Earlier versions ran all servers as one user.
            Command(
                ["sh", "-c", _GIVE, "give", self._unit, self._user, self._data],
                unless=["sh", "-c", _GIVEN, "given", self._data, self._user],
                label=f"data of Redis given to {self._user}",
            ),
            Directory(self._data, mode=0o750, owner=self._user, group=self._user),
            # The earlier location, in a folder that all servers could write to.
            Command(["rm", "--", self._old], only_if=["grep", "-qs", _OURS, self._old], label=f"removed {self._old}"),
            Service(self._unit),
        ]

    def _text(self) -> str:
        # All addresses: it would skip one that does not exist yet at boot; the firewall limits who can connect.
        bind = "* -::*" if self.clients else "127.0.0.1 -::1"
        memory = self.options.memory or "%MEMORY/8%m"
        return (
            f"# Written by hostsmith for {self.settings.app}.\n"
            f"bind {bind}\n"
            f"port {self.port}\n"
            f"requirepass %PASSWORD%\n"
            f"dir {self._data}\n"
            f"maxmemory {memory}b\n"
            # Entries of a cache expire and can be evicted; those of a queue do not expire and stay.
            "maxmemory-policy volatile-lru\n"
            "appendonly yes\n"
            "supervised systemd\n"
            f"pidfile /run/redis-{self.settings.app}/redis-server.pid\n"
        )

    def env(self, access: Access) -> dict[str, Secret | str]:
        server = f"redis://:{access.password.reveal()}@{access.location}"
        # A separate database, which can be cleared without the queue.
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
