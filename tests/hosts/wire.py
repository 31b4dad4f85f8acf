"""A wire between this machine and a host, for SSH to go through, that can be cut in each way that a wire is.

It counts what goes through it, too.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds


@dataclass
class Traffic:
    """What went through one connection.

    :param up, down: bytes to the host, and from it.
    :param trips: how often something was sent to the host after something was heard of it.
    """

    up: int = 0
    down: int = 0
    trips: int = 0
    _heard: bool = False

    def count_up(self, size: int) -> None:
        self.up += size
        self.trips += self._heard
        self._heard = False

    def count_down(self, size: int) -> None:
        self.down += size
        self._heard = True


class Wire:
    """Passes connections on to port 22 of a host from here until it ends.

    with Wire(address) as wire:
        ... ssh to 127.0.0.1, port wire.port ...
        wire.reset()
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._silent = False
        self.connections: list[Traffic] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Wire:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A thread in accept(2) sees this, but not that the socket is closed.
        self._listener.shutdown(socket.SHUT_RDWR)
        self.close()
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def close(self) -> None:
        """Both ends are told that the other has ended."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Both ends are told that the connection is no more."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()

    def silence(self) -> None:
        """Nobody is told anything; what is sent is lost."""
        self._silent = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection((self._address, 22), timeout=10)
                there.settimeout(None)
                self._ends += [here, there]
                traffic = Traffic()
                self.connections.append(traffic)
                self._start(self._pass_on, here, there, traffic.count_up)
                self._start(self._pass_on, there, here, traffic.count_down)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, count: Callable[[int], None]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                # While somebody waits in recv(2) itself, the kernel resets nothing.
                if not select.select([source], [], [], 0.05)[0]:
                    continue
                if not (data := source.recv(65536)):
                    break
                count(len(data))
                if not self._silent:
                    target.sendall(data)
            if not self._silent:
                target.shutdown(socket.SHUT_WR)
