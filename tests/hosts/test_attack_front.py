"""Attacks by way of nginx: visitors who lie to it, apps and deployers who have it read or ask what is another's."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.two_apps import ADMIN, SHOP, SOON, Apps

pytestmark = pytest.mark.attack
DOMAIN = "admin.example.org"
# It says what it was asked.
ECHO = """\
import json


def app(environ, start_response):
    if environ["PATH_INFO"] == "/healthz":
        start_response("200 OK", [])
        return [b"ok"]
    told = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"app": True, "path": environ["PATH_INFO"], **told}).encode()]
"""
SECRET = "source-of-shop-admin"


@pytest.fixture(scope="module")
def front(apps: Apps) -> Apps:
    """The shop has uploads and no domain; the other has a domain, HTTPS, and says what it was asked."""
    shop, admin = apps.projects[SHOP], apps.projects[ADMIN]
    base = json.loads((shop.folder / "fabric.yaml").read_text())
    # Of Django's, nginx's place for uploads is all that is needed.
    shop.settings(**{**base, "framework": "django", "static": {"/static/": "static"}})
    shop.fab("provision")
    admin.write("hello.py", ECHO + f"# {SECRET}\n")
    admin.settings(app=ADMIN, domains=[DOMAIN, "*.wild.example.org"], tls={"self_signed": True}, **SOON)
    admin.commit("an app that says what it was asked")
    admin.fab("provision", "deploy")
    apps.vps.run(
        f"echo an-upload > /srv/{SHOP}/shared/media/photo.jpg; echo SECRET > /var/log/nginx/{ADMIN}.access.log"
    )
    return apps


def raw(apps: Apps, text: bytes, port: int = 443) -> bytes:
    """What is answered to these bytes."""
    with socket.create_connection((apps.vps.address, port), timeout=20) as plain:
        connection: Any = plain
        if port == 443:
            connection = _context().wrap_socket(plain, server_hostname=DOMAIN)
        with contextlib.closing(connection), contextlib.suppress(ConnectionResetError):
            connection.sendall(text)
            answer = b""
            # Where the app may take the connection for a websocket's, it stays open.
            while not answer.endswith((b"}", b"}\r\n0\r\n\r\n")) and (piece := connection.recv(65536)):
                answer += piece
            return answer
    return b""


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def told(answer: bytes) -> dict[str, Any] | None:
    """What the app says that it was asked; None when it was not the app that has answered."""
    body = answer.partition(b"\r\n\r\n")[2]
    start = body.find(b'{"app"')
    return json.loads(body[start : body.rindex(b"}") + 1]) if start >= 0 else None


# -- What nginx reads ----------------------------------------------------------------------------------------------


def swap(apps: Apps, path: str, target: str, user: str) -> Iterator[None]:
    """Put a link in the place of a folder, as a user can who may write to the folder around it."""
    apps.vps.run(f"runuser -u {user} -- sh -c 'mv {path} {path}.mine && ln -s {target} {path}'")
    yield
    apps.vps.run(f"runuser -u {user} -- sh -c 'rm -rf {path} && mv {path}.mine {path}'")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", f"srv/{ADMIN}/current/code/hello.py"),
        ("/", f"var/log/nginx/{ADMIN}.access.log"),
        (f"/srv/{ADMIN}/current/code", "hello.py"),
        ("/var/log/nginx", f"{ADMIN}.access.log"),
        ("../../releases", "../media/hello.py"),
        ("media.mine", "photo.jpg"),
    ],
)
def test_nginx_serves_no_uploads_from_a_folder_that_the_app_has_turned_into_a_link(
    front: Apps, target: str, path: str
) -> None:
    assert "an-upload" in front.vps.http("/media/photo.jpg").body
    with contextlib.contextmanager(swap)(front, f"/srv/{SHOP}/shared/media", target, SHOP):
        answer = front.vps.http(f"/media/{path}")
        assert (answer.status, SECRET in answer.body, "SECRET" in answer.body) in {
            (403, False, False),
            (404, False, False),
        }
    assert "an-upload" in front.vps.http("/media/photo.jpg").body


@pytest.mark.parametrize(("target", "path"), [(f"/srv/{ADMIN}/current/code", "hello.py"), ("static.mine", "site.css")])
def test_nginx_serves_no_static_files_from_a_folder_that_is_a_link_in_the_code(
    front: Apps, target: str, path: str
) -> None:
    # As a build can leave it, or whoever asks the gate without asking it to keep the static files.
    with contextlib.contextmanager(swap)(front, f"/srv/{SHOP}/current/code/static", target, "root"):
        assert front.vps.http(f"/static/{path}").status in (403, 404)
    assert front.vps.http("/static/site.css").status == 200


def test_a_deploy_of_a_static_folder_that_is_a_link_is_refused_before_it_goes_live(front: Apps) -> None:
    project = front.deployer
    as_django = (project.folder / "fabric.yaml").read_text()
    project.settings(**{**json.loads(as_django), "framework": None})
    live = project.live()
    project.git("mv", "static", "other")
    (project.folder / "static").symlink_to(f"/srv/{ADMIN}/current/code")
    project.commit("a link for a folder")
    done = project.fab("deploy", status=1)
    assert "code/static: found a symlink" in done.stdout
    assert project.live() == live
    (project.folder / "static").unlink()
    project.git("mv", "other", "static")
    project.write("fabric.yaml", as_django)
    project.commit("a folder again")


def test_a_pipe_among_the_uploads_is_answered_at_once_and_holds_nobody_up(front: Apps) -> None:
    front.vps.run(f"runuser -u {SHOP} -- mkfifo -m 666 /srv/{SHOP}/shared/media/pipe.jpg")
    for _ in range(8):
        assert front.vps.http("/media/pipe.jpg").status == 404
    assert "an-upload" in front.vps.http("/media/photo.jpg").body


def test_what_visitors_upload_runs_no_script_in_the_name_of_the_site(front: Apps) -> None:
    media = f"/srv/{SHOP}/shared/media"
    front.vps.run(f"cd {media} && for end in html svg xml xhtml; do echo '<script>1</script>' > evil.$end; done")
    for end in ("html", "svg", "xml", "xhtml"):
        headers = front.vps.http(f"/media/evil.{end}").headers
        assert headers["content-security-policy"] == "sandbox", end
        assert headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in front.vps.http("/media/photo.jpg").headers
    assert "content-security-policy" not in front.vps.http("/static/site.css").headers


# -- Whom nginx asks -----------------------------------------------------------------------------------------------


@pytest.fixture
def protected_symlinks(front: Apps) -> Iterator[None]:
    """As Debian and Ubuntu boot, and as provision sees to; the kernel of the tests' hosts is this machine's."""
    name = "/proc/sys/fs/protected_symlinks"
    with open(name, encoding="ascii") as file:
        before = file.read()
    with open(name, "w", encoding="ascii") as file:
        file.write("1\n")
    yield
    with open(name, "w", encoding="ascii") as file:
        file.write(before)


@pytest.mark.usefixtures("protected_symlinks")
def test_an_app_cannot_lend_nginx_the_socket_of_another(front: Apps) -> None:
    run = f"/srv/{SHOP}/current/run"
    assert front.vps.http("/").status == 200
    front.vps.run(f"cd {run} && runuser -u {SHOP} -- sh -c 'mv web.sock own.sock'")
    try:
        for target in (f"/srv/{ADMIN}/current/run/web.sock", "own.sock", "/var/run/supervisor.sock"):
            front.vps.run(f"cd {run} && runuser -u {SHOP} -- ln -sfn {target} web.sock")
            answer = front.vps.http("/")
            assert (answer.status, '"app"' in answer.body) == (502, False), target
    finally:
        front.vps.run(f"cd {run} && runuser -u {SHOP} -- mv -T own.sock web.sock")
    assert front.vps.http("/").status == 200


def test_an_app_cannot_put_anything_in_the_place_of_its_sockets_folder(front: Apps) -> None:
    run = f"/srv/{SHOP}/current/run"
    attempts = f"""
move: os.rename({run!r}, {run + "2"!r})
mode: os.chmod({run!r}, 0o777)
link: os.link("/srv/{ADMIN}/current/run/web.sock", {run + "/web.sock"!r})
"""
    assert set(front.probe(SHOP, attempts).values()) == {"PermissionError"}


# -- Which host the app is told ------------------------------------------------------------------------------------

HOSTS = {
    "plain": (b"GET / HTTP/1.1", [b"Host: " + DOMAIN.encode()]),
    "port": (b"GET / HTTP/1.1", [b"Host: admin.example.org:6666"]),
    "no number": (b"GET / HTTP/1.1", [b"Host: admin.example.org:evil.example"]),
    "dot": (b"GET / HTTP/1.1", [b"Host: admin.example.org."]),
    "dot and port": (b"GET / HTTP/1.1", [b"Host: admin.example.org.:80"]),
    "upper case": (b"GET / HTTP/1.1", [b"HOST: ADMIN.example.ORG"]),
    "absolute": (b"GET http://admin.example.org/ HTTP/1.1", [b"Host: evil.example"]),
    "absolute with port": (b"GET http://admin.example.org:81/ HTTP/1.1", [b"Host: evil.example:6666"]),
    "absolute https": (b"GET https://ADMIN.example.org/ HTTP/1.1", [b"Host: evil.example"]),
    "absolute without path": (b"GET http://admin.example.org?a HTTP/1.1", [b"Host: evil.example"]),
    "absolute, 1.0": (b"GET http://admin.example.org/ HTTP/1.0", []),
    "absolute, evil": (b"GET http://evil.example/ HTTP/1.1", [b"Host: admin.example.org"]),
    "userinfo": (b"GET / HTTP/1.1", [b"Host: evil.example@admin.example.org"]),
    "userinfo behind": (b"GET / HTTP/1.1", [b"Host: admin.example.org@evil.example"]),
    "userinfo with port": (b"GET / HTTP/1.1", [b"Host: admin.example.org:80@evil.example"]),
    "absolute userinfo": (b"GET http://evil.example@admin.example.org/ HTTP/1.1", [b"Host: admin.example.org"]),
    "twice": (b"GET / HTTP/1.1", [b"Host: admin.example.org", b"Host: evil.example"]),
    "twice, evil first": (b"GET / HTTP/1.1", [b"Host: evil.example", b"Host: admin.example.org"]),
    "two in one": (b"GET / HTTP/1.1", [b"Host: admin.example.org, evil.example"]),
    "folded": (b"GET / HTTP/1.1", [b"Host: admin.example.org", b" evil.example"]),
    "space before colon": (b"GET / HTTP/1.1", [b"Host: admin.example.org", b"Host : evil.example"]),
    "tab": (b"GET / HTTP/1.1", [b"Host:\tadmin.example.org\t"]),
    "none, 1.0": (b"GET / HTTP/1.0", []),
    "none": (b"GET / HTTP/1.1", []),
    "empty": (b"GET / HTTP/1.1", [b"Host:"]),
    "underscore": (b"GET / HTTP/1.1", [b"Host: admin_example.org"]),
    "IPv6": (b"GET / HTTP/1.1", [b"Host: [::1]:443"]),
    "suffix": (b"GET / HTTP/1.1", [b"Host: admin.example.org.evil.example"]),
    "path": (b"GET / HTTP/1.1", [b"Host: admin.example.org/evil.example"]),
    "query": (b"GET / HTTP/1.1", [b"Host: admin.example.org?evil.example"]),
    "backslash": (b"GET / HTTP/1.1", [b"Host: admin.example.org\\evil.example"]),
    "letters beyond ASCII": (b"GET / HTTP/1.1", [b"Host: admin.example.org\xff"]),
    "wildcard": (b"GET / HTTP/1.1", [b"Host: a.wild.example.org:7"]),
    "wildcard with quotes": (b"GET / HTTP/1.1", [b"Host: a\"'<b>.wild.example.org"]),
    "wildcard with a space": (b"GET / HTTP/1.1", [b"Host: evil.example a.wild.example.org"]),
    "wildcard with userinfo": (b"GET / HTTP/1.1", [b"Host: evil.example@a.wild.example.org"]),
    "wildcard with port": (b"GET / HTTP/1.1", [b"Host: evil.example:80.wild.example.org"]),
    "wildcard with query": (b"GET / HTTP/1.1", [b"Host: evil.example?.wild.example.org"]),
    "wildcard with fragment": (b"GET / HTTP/1.1", [b"Host: evil.example#.wild.example.org"]),
    "underscores": (b"GET / HTTP/1.1", [b"Host: admin.example.org", b"X_Forwarded_Host: evil.example"]),
}


@pytest.mark.parametrize("name", HOSTS)
def test_the_app_is_asked_by_one_of_its_domains_or_not_at_all(front: Apps, name: str) -> None:
    first, fields = HOSTS[name]
    found = told(raw(front, b"\r\n".join([first, *fields, b"Connection: close", b"", b""])))
    if name in ("plain", "port", "dot", "upper case", "absolute", "wildcard"):
        assert found is not None
    if found is not None:
        hosts = {found.get("HTTP_HOST"), found.get("HTTP_X_FORWARDED_HOST")}
        assert hosts in ({DOMAIN}, {"a.wild.example.org"}), found


def test_no_more_by_http_2(front: Apps) -> None:
    assert told(http_2(front, (":authority", DOMAIN))) is not None
    for fields in (
        [(":authority", DOMAIN), ("host", "evil.example")],
        [(":authority", f"{DOMAIN}:6666"), ("x-forwarded-host", "evil.example")],
        [("host", f"{DOMAIN}:6666")],
        [(":authority", f"evil.example@{DOMAIN}")],
        [(":authority", "evil.example")],
        [(":authority", DOMAIN), (":authority", "evil.example")],
        [],
    ):
        found = told(http_2(front, *fields)) or {}
        assert {found.get("HTTP_HOST", DOMAIN), found.get("HTTP_X_FORWARDED_HOST", DOMAIN)} == {DOMAIN}, fields


def http_2(apps: Apps, *fields: tuple[str, str], path: str = "/") -> bytes:
    """What is answered to a request by HTTP/2 with these fields; the body, after an empty line."""
    context = _context()
    context.set_alpn_protocols(["h2"])
    pseudo = [(":method", "GET"), (":scheme", "https"), (":path", path)]
    # Each field as a literal that is not remembered.
    block = b"".join(b"\0" + b"".join(bytes([len(t)]) + t.encode() for t in field) for field in (*pseudo, *fields))
    plain = socket.create_connection((apps.vps.address, 443), timeout=20)
    with context.wrap_socket(plain, server_hostname=DOMAIN) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + _frame(1, 5, 1, block))
        body = b"\r\n\r\n"
        while head := stream.read(9):
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            data = stream.read(length)
            if kind == 0:
                body += data
            if kind in (3, 7) or (kind in (0, 1) and flags & 1):
                break
        return body


def _frame(kind: int, flags: int, stream: int, data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + data


# -- What visitors say of themselves -------------------------------------------------------------------------------

_LIES = """
Forwarded X-Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Forwarded-Protocol
X-Forwarded-Scheme X-Forwarded-Server X-Forwarded-Ssl X-Forwarded-Prefix X-Forwarded-Path X-Forwarded-Uri
X-Forwarded-Method X-Forwarded-By X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Client-Cert
X-Forwarded-Preferred-Username X-Forwarded-Access-Token X-Forwarded-Tls-Client-Cert X-Forwarded-Tls-Client-Cert-Info
Forwarded-For X-Real-Ip X-Real-Port X-Original-Url X-Original-Uri X-Original-Host X-Original-For X-Original-Proto
X-Original-Method X-Original-Forwarded-For X-Original-Remote-Addr X-Rewrite-Url X-Host X-Http-Host-Override
X-Url-Scheme X-Scheme Front-End-Https X-Script-Name Script-Name Path-Info X-Client-Ip Client-Ip True-Client-Ip
X-True-Client-Ip X-Cluster-Client-Ip Cf-Connecting-Ip Cf-Connecting-Ipv6 Cf-Visitor Fastly-Client-Ip Fly-Client-Ip
Do-Connecting-Ip X-Appengine-User-Ip X-Azure-Clientip X-Azure-Socketip X-Envoy-External-Address X-Originating-Ip
X-Remote-Addr X-Remote-Ip Remote-Addr Proxy-Client-Ip Wl-Proxy-Client-Ip Ssl-Client-Cert Ssl-Client-Verify
Ssl-Client-S-Dn X-Ssl X-Ssl-Client-Cert X-Ssl-Client-Verify X-Ssl-Client-S-Dn X-Client-Cert X-Client-Verify
X-Client-Dn Remote-User X-Remote-User X-Authenticated-User X-Auth-Request-User X-Auth-Request-Email Proxy
X-Arr-Ssl Http2-Settings
"""
LIES = _LIES.split()


@pytest.mark.parametrize("style", [str, str.lower, str.upper, lambda name: name.replace("-", "_")])
@pytest.mark.parametrize("scheme", ["https", "websocket"])
def test_nothing_that_a_visitor_says_of_itself_reaches_the_app(front: Apps, scheme: str, style: Any) -> None:
    # gunicorn takes a hundred.
    found = [*_lie(front, scheme, style, LIES[:60]), *_lie(front, scheme, style, LIES[60:])]
    assert found == []


def _lie(front: Apps, scheme: str, style: Any, names: list[str]) -> list[str]:
    """The headers with lies of these names that reach the app."""
    fields = [f"{style(name)}: evil" for name in names]
    upgrade = ["Upgrade: websocket", "Connection: upgrade"] if scheme == "websocket" else ["Connection: close"]
    head = "\r\n".join(["GET / HTTP/1.1", f"Host: {DOMAIN}", *upgrade, *fields, "", ""])
    found = told(raw(front, head.encode()))
    assert found is not None
    assert found["HTTP_X_FORWARDED_PROTO"] == "https"
    assert found["HTTP_X_FORWARDED_FOR"] == found["HTTP_X_REAL_IP"]
    return [name for name, value in found.items() if "evil" in str(value)]


@pytest.mark.parametrize("sent", ["h2c", "websocket, h2c", "h2c, websocket", "TLS/1.0", "http/1.1", " h2c\t"])
def test_only_websockets_are_upgraded(front: Apps, sent: str) -> None:
    lines = [
        "GET / HTTP/1.1",
        f"Host: {DOMAIN}",
        "Connection: Upgrade, HTTP2-Settings, X-Forwarded-For",
        f"Upgrade: {sent}",
    ]
    found = told(raw(front, "\r\n".join([*lines, "HTTP2-Settings: AAMAAABkAAQAAP__", "", ""]).encode()))
    assert found is not None
    assert not {"HTTP_UPGRADE", "HTTP_HTTP2_SETTINGS"} & set(found)
    assert "pgrade" not in found.get("HTTP_CONNECTION", "")


# -- Where nginx sends visitors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "//evil.example/", "///evil.example", "/%5cevil", "/%2f%2fevil.example", "/\\evil.example", "/.evil.example",
    "/@evil.example", "/static/..//evil.example", "/%0d%0aSet-Cookie:%20a=b", "/x%0d%0a%0d%0a<script>",
])  # fmt: skip
@pytest.mark.parametrize("host", [DOMAIN, f"www.{DOMAIN}", "x.wild.example.org"])
def test_a_redirect_leads_to_a_domain_of_the_site_and_carries_no_more_headers(
    front: Apps, host: str, path: str
) -> None:
    head = raw(front, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), port=80)
    head = head.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nset-cookie" not in head
    for line in head.split(b"\r\n"):
        if line.startswith(b"location:"):
            domains = (DOMAIN.encode(), f"www.{DOMAIN}".encode(), b"x.wild.example.org")
            assert line.removeprefix(b"location: ").startswith(tuple(b"https://" + each + b"/" for each in domains)), (
                line
            )
