"""Proxy that delays connections to sandbox hosts by a round-trip time.

Each host gets a loopback port. Each piece of data is delayed by half the round trip, each way, in order; a new
connection takes a whole one, as on a network. Bandwidth is not limited. It runs as a separate process, so that it does
not wait for what is measured:

    python -m benchmarks.delay SECONDS ADDRESS...

prints a JSON object of addresses and ports on a line, then one of addresses and traffic for each line that it reads.
It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hostsmith.sandbox import lookup

HERE = Path(__file__).parent
_PIECE = 65536


@dataclass
class Traffic:
    """Traffic to and from one host.

    :param connections: made to it.
    :param sent: bytes, to the host.
    :param received: bytes, from the host.
    """

    connections: int = 0
    sent: int = 0
    received: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.connections + other.connections, self.sent + other.sent, self.received + other.received)

    def since(self, before: Traffic) -> Traffic:
        """Compute the traffic since an earlier count."""
        return Traffic(self.connections - before.connections, self.sent - before.sent, self.received - before.received)


class Door:
    """The loopback port at which one host is reached."""

    def __init__(self, round_trip: float, address: str, port: int = 22) -> None:
        self._round_trip, self._address, self._port = round_trip, address, port
        self.traffic = Traffic()

    async def open(self) -> tuple[asyncio.Server, int]:
        """Start listening; returns the server and its port."""
        server = await asyncio.start_server(self._come, "127.0.0.1")
        return server, int(server.sockets[0].getsockname()[1])

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.traffic.connections += 1
        await asyncio.sleep(self._round_trip)
        with contextlib.suppress(OSError), contextlib.closing(writer):
            back, forth = await asyncio.open_connection(self._address, self._port)
            with contextlib.closing(forth):
                ways = [self._carry(reader, forth, self._sent), self._carry(back, writer, self._received)]
                tasks = [asyncio.ensure_future(way) for way in ways]
                try:
                    await asyncio.gather(*tasks)
                finally:
                    for task in tasks:
                        task.cancel()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def take() -> None:
            data = b"-"
            while data:  # the last, an empty one, is the end of the stream
                try:
                    data = await reader.read(_PIECE)
                except OSError:  # reset: an end as well
                    data = b""
                count(len(data))
                held.put_nowait((loop.time() + self._round_trip / 2, data))

        taking = asyncio.ensure_future(take())
        try:
            while True:
                due, data = await held.get()
                await asyncio.sleep(due - loop.time())
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        finally:
            taking.cancel()

    def _sent(self, size: int) -> None:
        self.traffic.sent += size

    def _received(self, size: int) -> None:
        self.traffic.received += size


class Proxy:
    """The process that delays traffic of hosts.

    :param ports: address of a host to the port of 127.0.0.1 at which it is reached.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ports: dict[str, int] = self._answer()

    def traffic(self) -> dict[str, Traffic]:
        """Ask for the traffic so far, by address."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return {address: Traffic(**counts) for address, counts in self._answer().items()}

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def proxy(round_trip: float, addresses: Sequence[str]) -> Iterator[Proxy]:
    """Delay connections to hosts during a `with` block.

    :param round_trip: seconds.
    :param addresses: of the benchmark's own hosts, or of this machine.
    """
    argv = [sys.executable, "-m", "benchmarks.delay", str(round_trip), *addresses]
    with subprocess.Popen(
        argv, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Proxy(process)
        finally:
            process.kill()


async def serve(round_trip: float, addresses: Sequence[str]) -> None:
    """Run the proxy until standard input ends."""
    doors = {address: Door(round_trip, address) for address in addresses}
    opened = {address: await door.open() for address, door in doors.items()}
    print(json.dumps({address: port for address, (_, port) in opened.items()}), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({address: asdict(door.traffic) for address, door in doors.items()}), flush=True)


def may_reach(address: str) -> bool:
    """Whether it is this machine or a host of the benchmark's sandbox: no others may get load."""
    return ipaddress.ip_address(address).is_loopback or lookup(HERE, address) is not None


def main() -> int:
    """Run as a separate process."""
    round_trip, *addresses = sys.argv[1:]
    refused = [address for address in addresses if not may_reach(address)]
    if refused:
        print(f"{', '.join(refused)}: expected this machine, or hosts of {HERE}'s sandbox", file=sys.stderr)
        return 2
    asyncio.run(serve(float(round_trip), addresses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
