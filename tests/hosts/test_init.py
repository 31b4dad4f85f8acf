"""The way of a new user: the files of an app and nothing else, `hostsmith init`, `fab provision`, `fab deploy`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import EXAMPLES, FAB, Project, Vps

FLASK = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "Flask says hello\\n"
"""
FASTAPI = """\
from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.get("/items/{number}")
async def item(number: int):
    return {"number": number}


@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())
"""


@pytest.fixture(scope="module")
def vps(boot: Callable[..., Vps], provisioned_image: str) -> Iterator[Vps]:
    """One host for all: each project takes the place of the one before."""
    vps = boot(provisioned_image)
    yield vps
    vps.sandbox.destroy(vps.name)


@pytest.fixture
def start(vps: Vps, tmp_path: Path) -> Project:
    """An empty folder of somebody who knows the host."""
    folder, home = tmp_path / "project", tmp_path / "home"
    folder.mkdir()
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(vps.target.known_hosts, home / ".ssh" / "known_hosts")
    project = Project(folder, home, vps, names_hosts=False)
    project.git("init", "--quiet")
    return project


def init(project: Project) -> str:
    """What `hostsmith init` says in a folder that has no fabfile yet."""
    argv = [str(FAB.with_name("hostsmith")), "init", "--app", "hello", "--host", project.vps.spec]
    done = subprocess.run(argv, cwd=project.folder, env=project.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def put_up(project: Project) -> str:
    """Go the whole way; what init has said."""
    said = init(project)
    project.commit("Deploy with hostsmith")
    project.fab("provision", "deploy")
    return said


def test_a_bare_flask_app(start: Project) -> None:
    start.write("app.py", FLASK)
    start.write("requirements.txt", "flask\n")
    said = put_up(start)
    assert "app.py line 3 has `app = Flask(__name__)`" in said
    assert start.vps.http("/").body == "Flask says hello\n"


def test_a_pyramid_app_with_a_pastedeploy_file(start: Project) -> None:
    shutil.copytree(EXAMPLES / "pyramid", start.folder, dirs_exist_ok=True)
    said = put_up(start)
    assert "gunicorn --paste production.ini" in said
    assert start.vps.http("/").body == "Welcome, whoever you are!\n"
    assert start.vps.http("/nowhere").status == 404

    # The server that the file itself names, on the socket of the release.
    ini = (start.folder / "production.ini").read_text()
    socket_lines = "unix_socket = %(socket)s\nunix_socket_perms = 666"
    start.write("production.ini", ini.replace("listen = localhost:6543", socket_lines).replace("whoever", "wherever"))
    start.write("requirements.txt", "pyramid>=2,<3\nwaitress\n")
    start.write("Procfile", "web: PYTHONPATH=. pserve production.ini socket=$SOCKET\n")
    start.commit("pserve")
    start.fab("deploy")
    assert start.vps.http("/").body == "Welcome, wherever you are!\n"


def test_a_fastapi_app_whose_websockets_may_be_silent_for_longer_than_a_request(start: Project) -> None:
    start.write("main.py", FASTAPI)
    start.write("requirements.txt", "fastapi\nwebsockets\n")
    said = init(start)
    assert "/openapi.json" in said
    start.write("fabric.yaml", (start.folder / "fabric.yaml").read_text() + "web_timeout: 3\nworkers: 2\n")
    start.commit("Deploy with hostsmith")
    start.fab("provision", "deploy")
    assert start.vps.http("/items/7").body == '{"number":7}'
    assert "UvicornWorker" in start.vps.run("cat /srv/hello/current/start")

    with contextlib.closing(upgraded(start.vps)) as client:
        assert echoed(client, b"first") == b"first"
        # Beyond the limit of other requests, `web_timeout` and 5 seconds.
        client.settimeout(9)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(20)
        assert echoed(client, b"second") == b"second"


def upgraded(vps: Vps) -> socket.socket:
    """A connection that has become a websocket (RFC 6455)."""
    client = socket.create_connection((vps.address, 80), timeout=20)
    client.sendall(
        b"GET /echo HTTP/1.1\r\nHost: hello.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
        assert head, "nginx has closed the connection"
    assert head.startswith(b"HTTP/1.1 101 "), head
    return client


def echoed(client: socket.socket, text: bytes) -> bytes:
    """What comes back for a short text."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
    client.sendall(struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + masked)
    kind, length = client.recv(2, socket.MSG_WAITALL)
    assert kind == 0x81
    return client.recv(length, socket.MSG_WAITALL)
