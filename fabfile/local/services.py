"""Services of the app on this machine: private instances on loopback ports."""

from __future__ import annotations

import asyncio
import glob
import os
import pwd
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import TYPE_CHECKING, ClassVar

from ..contract.secret import Secret
from ..environment.variables import generate
from ..errors import UsageError
from ..hostkit.linux import filesystem
from ..services import Access, known
from .folder import folder, keep, kept
from .processes import LocalProcess, ProcessCommand
from .watch import Watch

if TYPE_CHECKING:
    from ..services import AppService
    from ..settings import Settings

ADDRESS = "127.0.0.1"
_PASSWORD_LENGTH = 32
# Seconds until a service must be ready.
_PATIENCE = 60
Show = Callable[[bytes], None]


@dataclass(frozen=True)
class Instance(ABC):
    """One service on this machine.

    :param programs: the paths of its programs, by their names.
    :param access: how the app connects to it.
    :param folder: its private folder.
    :param user: the user that runs it; None for the current one.
    """

    service: AppService
    programs: Mapping[str, str]
    access: Access
    folder: Path
    user: str | None

    needs: ClassVar[Sequence[str]]
    package: ClassVar[str]
    stop_signal: ClassVar[Signals] = SIGTERM

    @abstractmethod
    def argv(self) -> list[str]:
        """Build the command of the server."""

    @abstractmethod
    async def prepare(self, watch: Watch, show: Show) -> None:
        """Create what it needs before its start.

        :param show: called with the output of programs.
        :raises UsageError: that fails.
        """

    def is_ready(self) -> bool:
        """Whether it is ready."""
        with socket.socket() as connection:
            return connection.connect_ex((ADDRESS, self.access.port or 0)) == 0

    async def start(self, watch: Watch, show: Show) -> LocalProcess:
        """Start it and wait until it is ready.

        :raises UsageError: it does not start.
        """
        await self.prepare(watch, show)
        process = watch.start(self._command(self.argv()), show)
        try:
            for _ in range(_PATIENCE * 20):
                if process.has_ended or self.is_ready():
                    break
                await asyncio.sleep(0.05)
            if process.has_ended or not self.is_ready():
                raise UsageError(f"{self.service.name} does not start; see its output above")
        except BaseException:
            process.kill()
            raise
        return process

    async def run(self, argv: Sequence[str], watch: Watch, show: Show, stdin: str = "") -> str:
        """Run one of its programs; returns the output.

        :raises UsageError: it failed.
        """
        printed: list[bytes] = []
        process = watch.start(self._command(argv, stdin), printed.append)
        try:
            status = await process.ended()
        finally:
            await watch.finish(process)
        text = b"".join(printed).decode("utf-8", "replace")
        if status or "ERROR:" in text:
            show(text.encode())
            who = f"; it ran as the user {self.user}, since it refuses to run as root" if self.user else ""
            raise UsageError(f"{self.service.name}: {Path(argv[0]).name} failed in {self.folder}{who}")
        return text

    def _command(self, argv: Sequence[str], stdin: str = "") -> ProcessCommand:
        # PostgreSQL's server would read its clients' variables.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
        return ProcessCommand(
            self.service.name, argv, env, self.folder, stdin.encode(), self.user, self.stop_signal, stop_timeout=20
        )

    def write(self, name: str, text: str) -> str:
        """Write a file that only its owner can read; returns its path."""
        path = str(self.folder / name)
        uid = pwd.getpwnam(self.user).pw_uid if self.user else None
        filesystem.write_atomic(path, text.encode(), mode=0o600, uid=uid)
        return path


class LocalPostgres(Instance):
    """PostgreSQL; the app's user is its superuser, so that it can add extensions."""

    needs = ("initdb", "postgres")
    package = "postgresql"
    # Ends open connections; on TERM it would wait for them.
    stop_signal = SIGINT

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def argv(self) -> list[str]:
        options = [f"listen_addresses={ADDRESS}", f"port={self.access.port}", "unix_socket_directories="]
        return [self.programs["postgres"], "-D", str(self._data), *(word for each in options for word in ("-c", each))]

    async def prepare(self, watch: Watch, show: Show) -> None:
        if not self._data.exists():
            await self._make(watch, show)
        extensions = getattr(self.service.options, "extensions", [])
        statements = "".join(f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE;\n' for name in extensions)
        if statements:
            await self._alone(self._data, self.access.name, statements, watch, show)

    async def _make(self, watch: Watch, show: Show) -> None:
        # The final name is given only when it is complete.
        begun = self.folder / "begun"
        shutil.rmtree(begun, ignore_errors=True)
        password = self.write("password", self.access.password.reveal())
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        options = [f"--username={self.access.user}", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
        await self.run([self.programs["initdb"], "-D", str(begun), *options, f"--locale={locale}"], watch, show)
        os.unlink(password)
        if self.access.name != "postgres":
            await self._alone(begun, "postgres", f'CREATE DATABASE "{self.access.name}";\n', watch, show)
        begun.rename(self._data)

    async def _alone(self, data: Path, database: str, statements: str, watch: Watch, show: Show) -> None:
        """Run statements in single-user mode, without a client program."""
        await self.run([self.programs["postgres"], "--single", "-D", str(data), database], watch, show, statements)

    def is_ready(self) -> bool:
        # The eighth line of its pid file says so; connections are answered earlier.
        lines = (filesystem.read(str(self._data / "postmaster.pid")) or b"").split(b"\n")
        return len(lines) > 7 and lines[7].strip() == b"ready"


class LocalRedis(Instance):
    """Redis with a password, as on the hosts."""

    needs = ("redis-server",)
    package = "redis-server"

    def argv(self) -> list[str]:
        return [self.programs["redis-server"], str(self.folder / "redis.conf")]

    async def prepare(self, watch: Watch, show: Show) -> None:
        place = [f"bind {ADDRESS}", f"port {self.access.port}", f'dir "{self.folder}"', "appendonly yes"]
        self.write("redis.conf", "\n".join([*place, f"requirepass {self.access.password.reveal()}", ""]))


class LocalMemcached(Instance):
    """memcached, which refuses to run as root."""

    needs = ("memcached",)
    package = "memcached"

    async def prepare(self, watch: Watch, show: Show) -> None:
        """Prepare nothing: it keeps no data."""

    def argv(self) -> list[str]:
        return [self.programs["memcached"], "-l", ADDRESS, "-p", str(self.access.port)]


# A service that is only a folder.
_FILES, _FILES_PATH = "files", "CONFIG_FILES_PATH"
_KINDS: Mapping[str, type[Instance]] = {"postgres": LocalPostgres, "redis": LocalRedis, "memcached": LocalMemcached}


def instances(settings: Settings, own: Container[str]) -> list[Instance]:
    """Choose the services to start here: those whose variables are not in `local.env`.

    :param own: the names of the variables in it.
    :raises UsageError: one cannot be started and its variables are not given.
    """
    found = []
    for name, options in settings.services.items():
        if name == _FILES:
            continue
        service = known()[name](settings, options)
        names = list(service.env(_access(service, 1, Secret(""))))
        if not any(variable in own for variable in names):
            found.append(_instance(service, names))
    return found


def files(settings: Settings) -> dict[str, str]:
    """Make the folder of the service `files` and set its variable; nothing without that service."""
    if _FILES not in settings.services:
        return {}
    path = folder(settings.project) / _FILES
    path.mkdir(exist_ok=True)
    return {_FILES_PATH: str(path)}


def _instance(service: AppService, variables: Sequence[str]) -> Instance:
    kind = _KINDS.get(service.name)
    otherwise = f"set {' or '.join(variables[:1])} in local.env, or use --no-services"
    if kind is None:
        raise UsageError(f"{service.name}: cannot be started here; {otherwise}")
    programs = {name: path for name in kind.needs if (path := program(name))}
    if missing := [name for name in kind.needs if name not in programs]:
        raise UsageError(
            f"{service.name}: {' and '.join(missing)} missing on this machine; install it (on Debian: "
            f"`apt install {kind.package}`), {otherwise}"
        )
    root = folder(service.settings.project)
    texts = kept(root / "services.json")
    port, password = texts.get(f"{service.name}.port", ""), texts.get(f"{service.name}.password", "")
    if not password or not _is_free(port):
        port, password = str(_free_port()), password or generate(_PASSWORD_LENGTH).reveal()
        keep(root / "services.json", {**texts, f"{service.name}.port": port, f"{service.name}.password": password})
    access = _access(service, int(port), Secret(password))
    place, user = root / service.name, _unprivileged(service.name)
    place.mkdir(mode=0o700, exist_ok=True)
    if user:
        # It may read only its own folder, but has to pass through those above.
        root.chmod(0o711)
        shutil.chown(place, user)
    return kind(service, programs, access, place, user)


def _access(service: AppService, port: int, password: Secret) -> Access:
    return Access(ADDRESS, port, service.database, service.database, password)


def program(name: str) -> str | None:
    """Find a program; Debian keeps PostgreSQL's outside the PATH."""
    found = shutil.which(name)
    return found or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)


def _unprivileged(name: str) -> str | None:
    """Name the user that runs services when the current one is root; None otherwise."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return name if name in users else "nobody"


def _is_free(port: str) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((ADDRESS, int(port)))
        except (OSError, ValueError, OverflowError):
            return False
        return True


def _free_port() -> int:
    with socket.socket() as attempt:
        attempt.bind((ADDRESS, 0))
        return int(attempt.getsockname()[1])
