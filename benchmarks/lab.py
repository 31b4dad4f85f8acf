"""Benchmark hosts: made, copied, reached and removed without the tools."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from hostsmith.sandbox import Sandbox, SandboxHost, SshTarget, lookup

from .delay import HERE, Proxy, Traffic, proxy
from .say import say
from .tools.base import Way

BARE = "bare"  # image of a host that only counts its sessions
_COUNT_SESSIONS = """
echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/00-count.conf
systemctl reload ssh
"""
_COUNT = """
journalctl --sync
journalctl --quiet --output=cat -t sshd -t sshd-session | grep -c '^Starting session' || [ $? = 1 ]
"""
_ANSWERS = 60.0  # seconds that a site has to answer
_SIDE_BY_SIDE = 8
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says
SSH = 22  # sshd's own port

Item = TypeVar("Item")
Result = TypeVar("Result")


class LabError(Exception):
    """A host is not as it should be."""


class Lab:
    """The benchmark's sandbox, during a `with` block.

    :param folder: a scratch folder.
    :raises LabError: another benchmark has it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._box = folder, Sandbox(HERE)
        self._leave = ExitStack()

    def __enter__(self) -> Lab:
        with ExitStack() as stack:
            lock = os.open(HERE, os.O_RDONLY)
            stack.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabError(f"another benchmark of {HERE} runs; wait for it, or end it") from None
            if self._box.hosts() or self._box.images():  # a killed run's
                self._box.destroy()
            stack.callback(self._box.destroy)
            with self.image(BARE) as host:
                self.shell(host, _COUNT_SESSIONS)
            self._leave = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.close()

    @contextmanager
    def image(self, name: str, base: str | None = None) -> Iterator[SandboxHost]:
        """Make an image of a host at the end of a `with` block.

        :param base: the image that it is a copy of; None for a bare Debian.
        """
        host = self._box.create("first", image=base, progress=say)
        try:
            yield host
            self._box.snapshot(host.name, name)
        finally:
            self._box.destroy(host.name)

    @contextmanager
    def hosts(self, count: int, image: str) -> Iterator[list[SandboxHost]]:
        """Boot fresh copies of an image for a `with` block."""
        hosts: list[SandboxHost] = []
        try:
            for number in range(1, count + 1):
                hosts.append(self._box.create(f"clone-{number}", image=image))
                if number % 10 == 0:
                    say(f"{number} of {count} hosts")
            yield hosts
        finally:
            side_by_side(self._hang_up, hosts)
            for host in hosts:
                self._box.destroy(host.name)

    @contextmanager
    def far(self, hosts: Sequence[SandboxHost], round_trip: float) -> Iterator[Distance]:
        """Put the hosts at a distance for a `with` block.

        :param round_trip: seconds; 0 for no proxy at all.
        """
        if not round_trip:
            yield Distance(self._ways([(host, host.address, SSH) for host in hosts]), None)
            return
        with proxy(round_trip, [host.address for host in hosts]) as between:
            doors = [(host, "127.0.0.1", between.ports[host.address]) for host in hosts]
            yield Distance(self._ways(doors), between)

    def shell(self, host: SandboxHost, script: str, *arguments: str) -> str:
        """Run a script on a host as root over a kept connection; returns its output.

        :raises LabError: it failed.
        """
        target = self._target(host)
        keep = ["-oControlMaster=auto", "-oControlPersist=yes", f"-oControlPath={self._folder}/%h"]
        options = ["-i", target.key_filename, "-oBatchMode=yes", f"-oUserKnownHostsFile={target.known_hosts}"]
        argv = ["ssh", *options, *keep, f"root@{host.address}", shlex.join(["sh", "-s", "--", *arguments])]
        done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"{host.address} is not as it should be: {shlex.join(arguments)}\n{done.stderr}")
        return done.stdout

    def sessions(self, host: SandboxHost) -> int:
        """Count the sessions that the host's sshd has begun, this one included."""
        return int(self.shell(host, _COUNT))

    def _hang_up(self, host: SandboxHost) -> None:
        """End all connections, so that none is kept to a host that is gone."""
        with suppress(LabError):  # it ends this one, too
            self.shell(host, "pkill sshd")

    def _ways(self, doors: Sequence[tuple[SandboxHost, str, int]]) -> list[Way]:
        """Build the routes of a tool to hosts, by their addresses and the proxy's."""
        if not doors:
            return []
        target = self._target(doors[0][0])
        keys = dict(line.split(maxsplit=1) for line in Path(target.known_hosts).read_text().splitlines())
        known = self._folder / f"known_hosts-{doors[0][2]}"
        with known.open("w") as file:
            for host, name, port in doors:
                key = keys[f"{host.name},{host.address}"]
                file.write(f"{host.address} {key}\n")
                if port != SSH:
                    file.write(f"[{name}]:{port} {key}\n")
        return [Way(host.address, name, port, Path(target.key_filename), known) for host, name, port in doors]

    def _target(self, host: SandboxHost) -> SshTarget:
        target = lookup(HERE, host.name)
        assert target is not None
        return target


@dataclass(frozen=True)
class Distance:
    """Hosts at their current distance.

    :param between: the proxy that counts traffic; None without one.
    """

    ways: list[Way]
    between: Proxy | None

    def traffic(self) -> Traffic | None:
        """Sum up the traffic of all hosts so far."""
        return sum(self.between.traffic().values(), Traffic()) if self.between else None


def served(url: str, text: str) -> None:
    """Wait until a page has exactly this text.

    :raises LabError: it has not within a minute.
    """
    deadline = time.monotonic() + _ANSWERS
    while (page := fetched(url)) != text:
        if time.monotonic() > deadline:
            raise LabError(f"{url} does not serve {text!r}, but {page!r}")
        time.sleep(0.1)


def fetched(url: str) -> str:
    """Get a page; empty when there is none yet."""
    try:
        with _DIRECTLY.open(url, timeout=5) as answer:
            return str(answer.read().decode()).strip()
    except OSError:
        return ""


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Run untimed work on several items at a time."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(work, items))
