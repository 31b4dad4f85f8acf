"""Local stand-in for nginx: serves static files and forwards requests to the app's socket."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from ..errors import UsageError
from ..recipes.forwarding import HEADERS

ADDRESS = "127.0.0.1"
_LARGEST_HEAD = 64 * 1024
_PIECE = 64 * 1024
# Hop-by-hop headers, headers that a client may not set, and what WSGI would take for those.
_OURS = re.compile(
    rf"(?i)(connection|keep-alive|proxy-connection|upgrade|x-forwarded-.*|{'|'.join(HEADERS)}|[^:]*_.*)\s*:".encode()
)


class LocalFront:
    """The site at one address of this machine; a connection serves one request or one websocket.

    :param socket: where the web process listens.
    :param static: folders by URL path.
    """

    def __init__(self, socket: str, static: Mapping[str, Path]) -> None:
        self._socket, self._static = socket, static
        self._visits: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, port: int) -> None:
        """Start listening.

        :raises UsageError: the port is in use.
        """
        try:
            self._server = await asyncio.start_server(self._serve, ADDRESS, port, limit=_LARGEST_HEAD)
        except OSError as error:
            raise UsageError(
                f"--port: cannot listen on {ADDRESS}:{port}: {error.strerror}; expected a free port, "
                f"such as {port + 1 if port < 65535 else 8000}"
            ) from None

    async def close(self) -> None:
        """Stop listening and cancel open requests."""
        if self._server is not None:
            self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._visits.add(task)
        try:
            # A client that disconnects, or does not speak HTTP, is ignored.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._visits.discard(task)
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *fields = head.rstrip(b"\r\n").split(b"\r\n")
        method, target, _ = first.split(b" ")
        path = unquote(target.decode("latin-1").partition("?")[0])
        prefix = next((each for each in sorted(self._static, key=len, reverse=True) if path.startswith(each)), None)
        if prefix is not None:
            await _send_file(self._static[prefix], path[len(prefix) :], method, writer)
            return
        try:
            app = await asyncio.open_unix_connection(self._socket, limit=_LARGEST_HEAD)
        except OSError:
            await _say(writer, HTTPStatus.BAD_GATEWAY, "The web process does not listen on its socket yet.\n")
            return
        app[1].write(_forwarded(first, fields))
        await _both_ways((reader, writer), app)


def _forwarded(first: bytes, fields: list[bytes]) -> bytes:
    """Rewrite the head of a request as nginx does for the app."""
    host = next((field.partition(b":")[2].strip() for field in fields if field.lower().startswith(b"host:")), b"")
    # Only upgrades to websockets are forwarded, as on the hosts.
    upgrades = any(re.fullmatch(rb"(?i)upgrade:\s*websocket\s*", field) for field in fields)
    client = ADDRESS.encode()
    added = [
        b"X-Real-IP: " + client,
        b"X-Forwarded-For: " + client,
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: " + host,
        *([b"Upgrade: websocket", b"Connection: upgrade"] if upgrades else [b"Connection: close"]),
    ]
    return b"\r\n".join([first, *(field for field in fields if not _OURS.match(field)), *added, b"", b""])


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(client: Stream, app: Stream) -> None:
    """Copy both ways until the app has sent everything."""
    asking = asyncio.create_task(_pass_on(client[0], app[1]))
    try:
        await _pass_on(app[0], client[1])
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        app[1].close()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_PIECE):
            sink.write(data)
            await sink.drain()


async def _send_file(folder: Path, name: str, method: bytes, writer: asyncio.StreamWriter) -> None:
    """Send a static file as nginx does: not a hidden one, and no link to or out of a folder."""
    path = folder / (f"{name}index.html" if name.endswith("/") or not name else name)
    hidden = any(part.startswith(".") and part != ".well-known" for part in Path(name).parts)
    if method not in (b"GET", b"HEAD"):
        await _say(writer, HTTPStatus.METHOD_NOT_ALLOWED, "Not allowed.\n")
    elif hidden or folder.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        await _say(writer, HTTPStatus.NOT_FOUND, f"There is no such file in {folder}.\n")
    else:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        writer.write(_head(HTTPStatus.OK, kind, path.stat().st_size))
        if method == b"GET":
            with path.open("rb") as file:
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        await writer.drain()


async def _say(writer: asyncio.StreamWriter, status: HTTPStatus, text: str) -> None:
    data = text.encode()
    writer.write(_head(status, "text/plain; charset=utf-8", len(data)) + data)
    await writer.drain()


def _head(status: HTTPStatus, kind: str, size: int) -> bytes:
    fields = [f"Content-Type: {kind}", f"Content-Length: {size}", "Cache-Control: no-cache", "Connection: close"]
    return "\r\n".join([f"HTTP/1.1 {status.value} {status.phrase}", *fields, "", ""]).encode("latin-1")
