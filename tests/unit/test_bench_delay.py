"""The benchmark's proxy: what it lets pass, in which order, and how it is counted."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.delay import Door, Traffic, may_reach


class Echo:
    """A server that says what it hears, and closes when the other does."""

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()


@asynccontextmanager
async def client(door: Door) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through the proxy, after which nothing of it is left."""
    server, port = await door.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader, writer
    writer.close()
    server.close()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=10)
    await asyncio.sleep(0)  # what was closed is let go


async def said(door: Door, *pieces: bytes) -> bytes:
    """What a client hears that says these, one by one, and then no more."""
    async with client(door) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        writer.write_eof()
        return await reader.read()


def test_all_comes_through_in_order_to_the_last_byte_and_is_counted_each_way() -> None:
    pieces = [b"%d," % number * 100 for number in range(1000)]

    async def check() -> None:
        async with Echo() as port:
            door = Door(0.002, "127.0.0.1", port)
            assert await said(door, *pieces) == b"".join(pieces)
            assert await said(door, b"again") == b"again"
            size = len(b"".join(pieces)) + len(b"again")
            assert door.traffic == Traffic(connections=2, sent=size, received=size)

    asyncio.run(check())


def test_nothing_comes_sooner_than_the_round_trips_that_it_takes() -> None:
    async def check() -> None:
        async with Echo() as port:
            start = time.monotonic()
            async with client(Door(0.05, "127.0.0.1", port)) as (reader, writer):
                for _ in range(3):
                    writer.write(b"ping")
                    assert await reader.readexactly(4) == b"ping"
                assert time.monotonic() - start >= 4 * 0.05  # one to connect

    asyncio.run(check())


def test_pieces_are_held_back_side_by_side_not_one_after_the_other() -> None:
    async def check() -> None:
        async with Echo() as port, client(Door(0.5, "127.0.0.1", port)) as (reader, writer):
            for number in range(50):
                writer.write(b"%02d" % number)
                await asyncio.sleep(0.001)
            # One after the other they would take more than 25 s.
            assert await asyncio.wait_for(reader.readexactly(100), timeout=10)

    asyncio.run(check())


def test_a_host_that_is_gone_ends_the_connection() -> None:
    async def check() -> None:
        async with Echo() as port:
            pass
        assert await said(Door(0.001, "127.0.0.1", port), b"hello") == b""

    asyncio.run(check())


def test_a_host_is_told_of_a_client_that_has_reset_its_connection() -> None:
    """As a process does that is killed before it has read all: the host would go on waiting for it."""

    async def check() -> None:
        heard, ended = asyncio.Event(), asyncio.Event()

        async def wait_for_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readexactly(5) == b"hello"
            heard.set()
            assert await reader.read() == b""
            ended.set()
            writer.close()

        host = await asyncio.start_server(wait_for_more, "127.0.0.1")
        door = Door(0.001, "127.0.0.1", host.sockets[0].getsockname()[1])
        async with host, client(door) as (_, writer):
            writer.write(b"hello")
            await asyncio.wait_for(heard.wait(), timeout=10)
            linger = struct.pack("ii", 1, 0)  # on, for no time
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()
            await asyncio.wait_for(ended.wait(), timeout=10)

    asyncio.run(check())


@pytest.mark.parametrize("address", ["192.0.2.1", "10.255.255.254", "8.8.8.8", "2001:db8::1"])
def test_nobody_but_this_machine_and_the_sandbox_is_reached(address: str) -> None:
    assert not may_reach(address)
    assert may_reach("127.0.0.1")


def test_traffic_is_told_since_an_earlier_count() -> None:
    assert Traffic(3, 100, 1000).since(Traffic(1, 60, 400)) == Traffic(2, 40, 600)
