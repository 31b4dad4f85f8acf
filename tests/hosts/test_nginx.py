"""What nginx answers to clients that are slow, greedy or curious: hand-made requests over raw sockets."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hostsmith.sandbox import Sandbox

from tests.hosts.conftest import Project, Vps, make_project

APP = """\
def app(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/own-headers":
        headers += [("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "origin")]
    if path == "/in-frames":
        headers += [("Content-Security-Policy", "default-src 'self'; frame-ancestors https://example.org")]
    start_response("200 OK", headers)
    return [b"the app: " + path.encode()]
"""
HEAD = b"GET / HTTP/1.1\r\nHost: hello.example\r\n"


@dataclass
class Slow:
    """Clients who began a request and go on with it at a snail's pace, or not at all."""

    vps: Vps
    clients: dict[str, socket.socket]

    def wait_until_cut_off(self, name: str, drip: bytes = b"") -> None:
        """Wait until nginx has closed a client's connection, though it sends a byte now and then."""
        client = self.clients[name]
        port = client.getsockname()[1]
        deadline = time.monotonic() + 60
        while self.vps.run(f"ss -Htn state established sport = :80 dport = :{port}"):
            assert time.monotonic() < deadline, f"{name}: nginx still waits for it"
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                client.sendall(drip)
            time.sleep(0.3)


@pytest.fixture(scope="module")
def project(
    boot: Callable[..., Vps], sandbox: Sandbox, deployed_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    vps = boot(deployed_image)
    project = make_project(tmp_path_factory.mktemp("curious"), vps)
    project.write("hello.py", APP)
    project.write(".env", "SECRET=1\n")
    project.write("static/.env", "SECRET=1\n")
    project.write("static/.git/config", "[core]\n")
    project.write("static/.well-known/security.txt", "Contact: mailto:me@example.org\n")
    project.write("static/large.bin", "x" * 20_000_000)
    for name, target in {"source.py": "../hello.py", "passwd": "/etc/passwd", "up": "..", "root": "/"}.items():
        (project.folder / "static" / name).symlink_to(target)
    project.settings(domains=["hello.example"])
    project.commit("an app with much to hide")
    # git leaves out a folder of this name; whatever else puts releases together may not.
    vps.wait_for_site()
    project.fab("provision", "deploy")
    vps.run("cd /srv/hello/current/code/static && mkdir -p .git && echo '[core]' > .git/config")
    yield project
    sandbox.destroy(vps.name)


@pytest.fixture(scope="module", autouse=True)
def slow(project: Project) -> Iterator[Slow]:
    """Opened before the tests and asked about at their end, so that nobody waits for nginx's patience to end."""
    begun = {
        "silent": b"",
        "head": HEAD,
        "dripping head": HEAD + b"X-Drip: ",
        "head for nobody": b"GET / HTTP/1.1\r\nHost: nobody.example\r\n",
        "body": b"POST / HTTP/1.1\r\nHost: hello.example\r\nContent-Length: 1000\r\n\r\nslow",
        "answer": b"GET /static/large.bin HTTP/1.1\r\nHost: hello.example\r\n\r\n",
    }
    with contextlib.ExitStack() as stack:
        clients = {}
        for name, text in begun.items():
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((project.vps.address, 80))
            client.sendall(text)
            clients[name] = client
        yield Slow(project.vps, clients)


def ask(project: Project, head: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    """Send these bytes, and read the answer to its end."""
    with socket.create_connection((project.vps.address, 80), timeout=30) as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(head)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
    top, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return int(status.split()[1]), headers, body


def get(project: Project, path: str) -> tuple[int, dict[str, list[str]], bytes]:
    """Ask for a path exactly as it is written."""
    return ask(project, f"GET {path} HTTP/1.0\r\nHost: hello.example\r\n\r\n".encode())


@pytest.mark.parametrize(
    "path",
    [
        "/static/.env",
        "/static/.git/config",
        "/static/%2eenv",
        "/static/.%67it/config",
        "/static//.git/config",
        "/static/x/../.env",
        "/static/source.py",
        "/static/passwd",
        "/static/up/hello.py",
        "/static/root/etc/passwd",
        "/static/root/srv/hello/current/env",
    ],
)
def test_hidden_files_and_symlinks_are_not_served(project: Project, path: str) -> None:
    status, _, body = get(project, path)
    assert status in (403, 404)
    assert b"nginx" in body, "its own answer, not the app's"


@pytest.mark.parametrize(
    "path",
    [
        "/static../hello.py",
        "/static../.env",
        "/static/../hello.py",
        "/static/..%2fhello.py",
        "/static/%2e%2e/hello.py",
        "/static/..%5chello.py",
        "/static/..;/hello.py",
        "/static/%252e%252e/hello.py",
        "//static/../hello.py",
        "/static/../../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/hello.py",
        "/.env",
        "/.git/config",
        "/Procfile",
        "/current/env",
    ],
)
def test_no_path_leads_to_the_apps_files(project: Project, path: str) -> None:
    status, _, body = get(project, path)
    assert status in (400, 403, 404) or body.startswith(b"the app: "), (status, body)
    for secret in (b"SECRET", b"def app", b"root:", b"HOSTSMITH", b"[core]", b"gunicorn"):
        assert secret not in body


def test_what_is_meant_to_be_seen_is_served(project: Project) -> None:
    assert get(project, "/static/site.css")[0] == 200
    assert get(project, "/static/.well-known/security.txt")[2].startswith(b"Contact")
    assert get(project, "/static/")[0] in (403, 404), "no list of a folder"


def test_browsers_are_told_what_breaks_no_app(project: Project) -> None:
    for path in ("/", "/static/site.css", "/static/gone.css", "/static/.env"):
        headers = get(project, path)[1]
        assert headers["x-content-type-options"] == ["nosniff"]
        assert headers["x-frame-options"] == ["SAMEORIGIN"]
        assert headers["referrer-policy"] == ["strict-origin-when-cross-origin"]
        assert headers["server"] == ["nginx"], "no version"
        assert "strict-transport-security" not in headers


def test_what_the_app_says_itself_is_neither_doubled_nor_overruled(project: Project) -> None:
    own = get(project, "/own-headers")[1]
    assert (own["x-frame-options"], own["x-content-type-options"]) == (["DENY"], ["nosniff"])
    assert own["referrer-policy"] == ["origin"]
    framed = get(project, "/in-frames")[1]
    assert "x-frame-options" not in framed
    assert len(framed["content-security-policy"]) == 1


def test_a_request_may_be_large_but_not_without_end(project: Project) -> None:
    def with_header(size: int) -> int:
        return ask(project, HEAD + b"Cookie: " + b"x" * size + b"\r\nConnection: close\r\n\r\n")[0]

    assert with_header(8_000) == 200
    assert with_header(8_300) == 400
    many = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 4000) for number in range(20))
    assert ask(project, HEAD + many + b"\r\n")[0] == 400
    assert get(project, "/" + "x" * 20_000)[0] == 414
    large = b"POST / HTTP/1.1\r\nHost: hello.example\r\nContent-Length: 20000000\r\nConnection: close\r\n\r\n"
    assert ask(project, large)[0] == 413


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: hello.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: hello.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : hello.example\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: hello.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_a_malformed_request_never_reaches_the_app(project: Project, request_: bytes) -> None:
    assert ask(project, request_)[0] == 400


def test_slow_clients_are_cut_off_and_the_site_answers_all_the_while(slow: Slow, project: Project) -> None:
    assert get(project, "/")[0] == 200
    slow.wait_until_cut_off("dripping head", drip=b"x")
    for name in slow.clients:
        slow.wait_until_cut_off(name)
    assert get(project, "/")[0] == 200
