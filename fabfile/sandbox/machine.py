"""Running hosts: systemd-nspawn processes that outlive the `fab` that started them.

Each host has its own mount and process namespaces (unshare(1)): its overlay mount is private and ends with its last
process, and killing the namespace's first process kills all others. So a crash leaves only files behind.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ..errors import SandboxError
from . import process as processes
from . import tools
from .network import interface_exists
from .store import HostRecord, Store

BOOT_TIMEOUT = 90.0  # seconds; a boot takes one or two
STOP_TIMEOUT = 30.0  # seconds until a host that does not shut down is killed
_POLL = 0.03
_CGROUPS = Path("/sys/fs/cgroup")

# Joins the cgroups named before "--", records its identity and becomes the rest of its arguments: the pid stays.
_START = """
set -e
record=$1; shift
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift
{ cat /proc/sys/kernel/random/boot_id /proc/$$/stat; } > "$record.new"
mv "$record.new" "$record"
exec "$@"
"""

# First process inside: mounts the disk and restarts the host when it asks for a reboot (nspawn's 133).
_RUN = """
mkdir -p /run/systemd/nspawn && mount -t tmpfs -o mode=0755 tmpfs /run/systemd/nspawn || exit
mount -t overlay overlay -o "$1" "$2" || exit
shift 2
while :; do
    "$@"
    code=$?
    [ "$code" = 133 ] || exit "$code"
done
"""


@dataclass(frozen=True)
class NspawnMachine:
    """A host on this machine. `id` is its name among all machines: at most 12 characters, so that nspawn
    derives the network interface `vb-<id>` without shortening.
    """

    id: str
    folder: Path
    record: Path
    hostname: str

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def stopping(self) -> Path:
        """Path of the record once the host is stopping, so that no other run takes it for a running one."""
        return self.record.with_name(f"{self.record.name}.stopping")

    def process(self) -> processes.ProcessIdentity | None:
        """Find the recorded process if it runs and is not stopping."""
        return processes.running(self.record)

    def pids(self) -> set[int]:
        """Find the host's process, stopping or not."""
        found = [processes.running(record) for record in (self.record, self.stopping)]
        return {process.pid for process in found if process is not None}

    def launch(self, lower: Sequence[Path], bridge: str, binds: Sequence[Path]) -> None:
        """Start the host; returns as soon as its process is known.

        :param lower: the layers under its disk, topmost first.
        :param binds: folders of this machine that it sees, read-only.
        :raises SandboxError: it did not start; with the last lines of its console.
        """
        self.await_stop()
        merged, work = self.folder / "merged", self.folder / "work"
        self.record.parent.mkdir(mode=0o755, exist_ok=True)
        merged.mkdir(exist_ok=True)
        work.mkdir(exist_ok=True)
        # redirect_dir: renaming a folder that comes from a layer works as on any disk, instead of EXDEV.
        layers = ":".join(map(str, lower))
        options = f"index=off,redirect_dir=on,lowerdir={layers},upperdir={self.folder / 'upper'},workdir={work}"
        nspawn = [
            *("systemd-nspawn", "--quiet", "--settings=no", "--boot", f"--directory={merged}"),
            *(f"--machine={self.id}", f"--hostname={self.hostname}", f"--network-bridge={bridge}"),
            *("--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *(f"--bind-ro={_escaped(path)}" for path in binds),
        ]
        contained = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        run = [*contained, "sh", "-c", _RUN, self.id, options, str(merged), *nspawn]
        with self.console.open("wb") as console:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", _START, "sh", str(self.record), *self._cgroups(), "--"]
                + self._scope()
                + run,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={"PATH": tools.environment()["PATH"], "LC_ALL": "C"},
                cwd="/",
                umask=0o022,
                check=True,
            )
        self._await_record()

    def _await_record(self) -> None:
        deadline = time.monotonic() + 10
        while not self.record.exists():
            if time.monotonic() > deadline:
                raise SandboxError(f"{self.hostname} did not start:\n{self.last_words()}")
            time.sleep(_POLL)

    def _cgroups(self) -> list[str]:
        """Make the cgroups that separate the host's services from others, when init is not systemd."""
        if _systemd_runs():
            return []
        folders = _cgroup_folders(self.id)
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SandboxError(
                    f"cannot make the cgroup {folder}: {error.strerror}. In a container, run it privileged"
                ) from error
        return [str(folder) for folder in folders]

    def _scope(self) -> list[str]:
        """Let systemd make the cgroups: a separate scope for the host, which outlives the user's session."""
        if not _systemd_runs():
            return []
        scope = ["systemd-run", "--scope", "--quiet", "--collect", "--slice=machine.slice", "-p", "Delegate=yes"]
        described = f"--description=hostsmith sandbox host {self.hostname}"
        # Each start has a unique name: systemd takes a while to forget the scope of a killed host.
        return [*scope, f"--unit=hostsmith-{self.id}-{uuid4().hex[:8]}", described, "--"]

    def _clear_traces(self) -> None:
        self.record.unlink(missing_ok=True)
        self.stopping.unlink(missing_ok=True)
        for folder in _cgroup_folders(self.id):
            _remove_cgroup(folder)
        # The kernel takes a while to remove a dead host's interface.
        interface = f"vb-{self.id}"
        if interface_exists(interface):
            tools.succeeds(["ip", "link", "delete", interface])

    def ask_to_stop(self) -> None:
        """Begin a clean shutdown: nspawn passes SIGTERM on to the host's systemd as a power-off request."""
        running = self.process()
        if running is None:
            return
        self.record.replace(self.stopping)
        for pid in processes.descendants(running.pid):
            found = processes.stat(pid)
            if found and found.name == "systemd-nspawn":
                processes.send(pid, signal.SIGTERM)
                return
        processes.kill_tree(running.pid)  # between two boots: there is no process to signal

    def await_stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Wait until a stopping host is off; kill it after the time limit."""
        deadline = time.monotonic() + timeout
        while processes.running(self.stopping) is not None and time.monotonic() < deadline:
            time.sleep(_POLL)
        self.kill()

    def kill(self) -> None:
        """Cut the power: no process of the host runs when this returns."""
        for pid in self.pids():
            processes.kill_tree(pid)
        self._clear_traces()

    def await_ssh(self, address: str, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until the host's SSH server sends its banner.

        :raises SandboxError: the host died or took too long; with the last lines of its console.
        """
        deadline = time.monotonic() + timeout
        while not _ssh_banner(address):
            if self.process() is None:
                raise SandboxError(f"{self.hostname} stopped while booting. Its console:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{self.hostname} did not answer SSH on {address} within {timeout:.0f} s. "
                    f"Its console:\n{self.last_words()}"
                )
            time.sleep(_POLL)

    def last_words(self, lines: int = 15) -> str:
        """Read the end of the console, without colours."""
        try:
            text = self.console.read_text(errors="replace")
        except OSError:
            return "  (nothing)"
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|\r", "", text)
        kept = [line.rstrip() for line in plain.splitlines() if line.strip()][-lines:]
        return "\n".join(f"  {line}" for line in kept) or "  (nothing)"


def _ssh_banner(address: str) -> bool:
    try:
        # A lost SYN is sent again after a second; a new attempt is faster.
        with socket.create_connection((address, 22), timeout=0.2) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _systemd_runs() -> bool:
    """Whether systemd is this machine's init; see sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _cgroup_folders(machine: str) -> list[Path]:
    """List the host's cgroup in each hierarchy that systemd uses: v2 alone, or v1 with both (hybrid)."""
    if (_CGROUPS / "cgroup.procs").exists():
        roots = [_CGROUPS]
    else:
        roots = [root for name in ("systemd", "unified") if (root := _CGROUPS / name).is_dir()]
    return [root / "hostsmith" / machine for root in roots]


def _remove_cgroup(folder: Path) -> None:
    """Remove an empty cgroup and the empty ones in it; those in use stay."""
    for path, _, _ in os.walk(folder, topdown=False):
        try:
            Path(path).rmdir()
        except OSError:
            return
    try:
        folder.parent.rmdir()
    except OSError:
        return  # in use by other hosts, or missing


def of(store: Store, record: HostRecord) -> NspawnMachine:
    """Build the machine of a sandbox host."""
    octet = record.address.rpartition(".")[2]
    return NspawnMachine(
        id=f"{store.id}-{octet}",
        folder=store.machines / record.name,
        record=store.processes / record.name,
        hostname=record.name,
    )


def remove_cgroups(sandbox: str) -> None:
    """Remove the cgroups of a sandbox's dead hosts."""
    for folder in _cgroup_folders("*"):
        for found in folder.parent.glob(f"{sandbox}-*"):
            _remove_cgroup(found)


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")
