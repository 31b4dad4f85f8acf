"""State of a sandbox on disk: its hosts, how to reach them, and locks.

    /var/lib/hostsmith/sandbox/<id>/     one folder for each project folder; <id> is a hash of its path
        state.json                       the hosts and images; readable by all, holds no secret
        id_ed25519  known_hosts          the key to every host, and each host's own key
        processes/<name>                 process of a running host (<name>.stopping: one that shuts down)
        machines/<name>/                 upper/ (the disk), console.log
        layers/<id>/                     the disks that images are made of

Only the disks need root to be read. The import is cheap: every `fab` run asks `lookup` whether a host is a sandbox
host.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import SandboxError

STATE_ROOT = Path("/var/lib/hostsmith/sandbox")
CACHE_ROOT = Path("/var/cache/hostsmith")
_VERSION = 1


@dataclass(frozen=True)
class SandboxHost:
    """One disposable host, as users see it."""

    name: str
    address: str
    suite: str
    state: Literal["running", "stopped"]
    image: str | None


@dataclass(frozen=True)
class SshTarget:
    """Parameters of an SSH connection to a sandbox host, with strict host key checking."""

    address: str
    user: str
    key_filename: str
    known_hosts: str


@dataclass(frozen=True)
class HostRecord:
    """Record of a host. `layers` are the image layers under its disk, topmost first."""

    name: str
    address: str
    suite: str
    base: str
    host_key: str
    image: str | None = None
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageRecord:
    """A disk kept by `snapshot`: layers, topmost first, over a base."""

    suite: str
    base: str
    layers: tuple[str, ...]


@dataclass
class State:
    """The content of state.json."""

    project: str
    subnet: str
    hosts: dict[str, HostRecord] = field(default_factory=dict)
    images: dict[str, ImageRecord] = field(default_factory=dict)

    def bases(self) -> set[str]:
        """Collect the bases that hosts and images use."""
        return {host.base for host in self.hosts.values()} | {image.base for image in self.images.values()}

    def layers(self) -> set[str]:
        """Collect the image layers that hosts and images use."""
        used = [host.layers for host in self.hosts.values()] + [image.layers for image in self.images.values()]
        return {layer for layers in used for layer in layers}


def sandbox_id(project: Path) -> str:
    """Hash a project folder to the eight hex digits in names of bridges, tables and machines."""
    return hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:8]


def lookup(project: Path, host: str, root: Path = STATE_ROOT) -> SshTarget | None:
    """Find a host of the project's sandbox by name ("sandbox-1") or address; None for other hosts.

    It reads one file and needs no root.
    """
    folder = root / sandbox_id(project)
    try:
        hosts = json.loads((folder / "state.json").read_text())["hosts"]
        for name, record in hosts.items():
            if host in (name, record["address"]):
                return SshTarget(
                    address=record["address"],
                    user="root",
                    key_filename=str(folder / "id_ed25519"),
                    known_hosts=str(folder / "known_hosts"),
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # no sandbox, or an unreadable one: `fab sandbox.list` reports that
    return None


class Store:
    """The folder of one project's sandbox."""

    def __init__(self, project: Path, root: Path = STATE_ROOT) -> None:
        self.project = project.resolve()
        self.id = sandbox_id(self.project)
        self.root = root
        self.folder = root / self.id
        self.key = self.folder / "id_ed25519"
        self.public_key = self.folder / "id_ed25519.pub"
        self.known_hosts = self.folder / "known_hosts"
        self.machines = self.folder / "machines"
        self.processes = self.folder / "processes"
        self.layers = self.folder / "layers"

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    def exists(self) -> bool:
        return self.state_file.exists()

    def read(self) -> State:
        """Read the state.

        :raises SandboxError: there is no sandbox, or its state is damaged.
        """
        try:
            return _parse(self.state_file)
        except FileNotFoundError:
            raise SandboxError(f"{self.project} has no sandbox hosts. Make one: fab sandbox.up") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SandboxError(
                f"{self.state_file} is not a valid sandbox state: {error}. "
                "Remove it and start from scratch: fab sandbox.destroy"
            ) from error

    def write(self, state: State) -> None:
        """Write the state, and the known_hosts that follows from it."""
        hosts = sorted(state.hosts.values(), key=lambda record: record.name)
        lines = [f"{record.name},{record.address} {record.host_key}\n" for record in hosts]
        write_file(self.known_hosts, "".join(lines).encode(), 0o644)
        document = {"version": _VERSION, **asdict(state)}
        write_file(self.state_file, (json.dumps(document, indent=2) + "\n").encode(), 0o644)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the sandbox's state."""
        with locked(self.root / f"{self.id}.lock"):
            yield

    @contextmanager
    def machine_lock(self) -> Iterator[None]:
        """Hold the lock of what all sandboxes share: the choice of subnets, and kernel settings."""
        with locked(self.root / "machine.lock"):
            yield

    def upper(self, name: str) -> Path:
        """Path of a host's disk: the topmost layer, the only one it writes to."""
        return self.machines / name / "upper"

    def lower(self, record: HostRecord) -> list[Path]:
        """List the layers under a host's disk, topmost first."""
        return [*(self.layers / layer for layer in record.layers), CACHE_ROOT / record.base]


def all_states(root: Path = STATE_ROOT) -> Iterator[State]:
    """Read the states of all sandboxes on the machine; damaged ones are skipped."""
    for path in sorted(root.glob("*/state.json")):
        try:
            yield _parse(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue


def _parse(path: Path) -> State:
    document: dict[str, Any] = json.loads(path.read_text())
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']}, expected {_VERSION}")
    return State(
        project=document["project"],
        subnet=document["subnet"],
        hosts={
            name: HostRecord(**{**record, "layers": tuple(record["layers"])})
            for name, record in document["hosts"].items()
        },
        images={
            name: ImageRecord(**{**record, "layers": tuple(record["layers"])})
            for name, record in document["images"].items()
        },
    )


def public_folder(path: Path) -> None:
    """Make a folder that all can read, whatever the umask: state is read without root."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


def write_file(path: Path, data: bytes, mode: int) -> None:
    """Replace a file in one step, with its mode from the first byte."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock file for the length of a `with` block; the kernel frees it when the process dies.

    The holder may delete the file; those that wait then start over with a new one.

    :param waiting: called once when someone else holds it.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # the last sandbox just removed the folder
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting:
                    waiting()
                    waiting = None
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _same_file(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
