"""What runs on the host of the smuggling tests: an app that writes down what it was asked, and a client that sends
bytes. Standard library only; `python3 smuggling.py` sends what stands on its standard input."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from typing import Any

LOG = "/tmp/smuggling.log"
# Seconds that a client waits for more: a server that waits for the rest of a request says nothing.
_PATIENCE = 2.0


def _write_down(method: str, path: str, body: bytes, headers: list[tuple[str, str]]) -> None:
    line = {"method": method, "path": path, "body": body.decode("latin-1"), "client": "", "via": "", "host": ""}
    for name, value in headers:
        # Whatever an app could take for these.
        alike = name.lower().replace("_", "-").replace(".", "-").removeprefix("http-")
        for key, wanted in {"host": "host", "client": "x-real-ip", "via": "x-forwarded-for"}.items():
            line[key] += value if alike == wanted else ""
    handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(handle, json.dumps({"server": os.environ["SERVER"], **line}).encode() + b"\n")
    os.close(handle)


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    chunked = environ.get("HTTP_TRANSFER_ENCODING") or environ.get("wsgi.input_terminated")
    body = environ["wsgi.input"].read() if chunked and not size else environ["wsgi.input"].read(size)
    path = environ.get("RAW_URI") or environ["PATH_INFO"]
    headers = [(name, value) for name, value in environ.items() if name.startswith("HTTP_")]
    _write_down(environ["REQUEST_METHOD"], path, body, headers)
    start_response("200 OK", [("Content-Length", "8")])
    return [b"the app\n"]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event.get("body", b"")
        more = event.get("more_body", False)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    _write_down(scope["method"], path, body, headers)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": b"the app\n"})


async def _send(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        writer.write(data)
        await writer.drain()
        while piece := await asyncio.wait_for(reader.read(65536), _PATIENCE):
            answer += piece
    writer.close()
    return answer


async def _send_all(cases: list[tuple[int, str]]) -> list[str]:
    at_once = asyncio.Semaphore(200)

    async def one(port: int, data: str) -> str:
        async with at_once:
            return (await _send(port, base64.b64decode(data))).decode("latin-1")

    return list(await asyncio.gather(*(one(*case) for case in cases)))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_send_all(json.load(sys.stdin)))))
