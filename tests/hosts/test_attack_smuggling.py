"""Request smuggling: what two servers could read differently is refused, or reaches the app as the one request that was
meant; tried against nginx, and HAProxy and nginx, in front of each server that the docs name."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hostsmith.recipes import haproxy, nginx
from hostsmith.rendering.rendered import rendered
from hostsmith.resources import File
from hostsmith.sandbox import Sandbox
from hostsmith.settings import Settings

from tests.hosts.conftest import Vps

pytestmark = pytest.mark.attack
HERE = Path(__file__).parent
PACKAGES = "gunicorn uvicorn httptools hypercorn daphne granian waitress"
SERVERS = {
    "gunicorn-sync": "gunicorn --bind unix:$SOCKET smuggling:wsgi",
    "gunicorn-gthread": "gunicorn --threads 4 --keep-alive 5 --bind unix:$SOCKET smuggling:wsgi",
    "gunicorn-asgi": "gunicorn -k asgi --bind unix:$SOCKET smuggling:asgi",
    "uvicorn-h11": "uvicorn --http h11 --uds $SOCKET smuggling:asgi",
    "uvicorn-httptools": "uvicorn --http httptools --uds $SOCKET smuggling:asgi",
    "hypercorn": "hypercorn --bind unix:$SOCKET smuggling:asgi",
    "daphne": "daphne -u $SOCKET smuggling:asgi",
    "granian": "granian --interface asgi --uds $SOCKET smuggling:asgi",
    "waitress": "waitress-serve --unix-socket=$SOCKET --unix-socket-perms=666 smuggling:wsgi",
}
# nginx makes the same of a request for each of them.
BEHIND_HAPROXY = ("gunicorn-gthread", "uvicorn-httptools", "waitress")
NGINX, HAPROXY, HTTP_2 = 80, 8080, 81
BALANCER = "127.0.0.2"
# Whoever reaches an app past nginx, or nginx past HAProxy, can say this.
LIAR = "6.6.6.6"


@dataclass
class Asked:
    """What became of all the requests.

    :param answers: by case, front and server.
    :param asked: what the app was asked in the same.
    """

    answers: dict[tuple[str, int, str], str]
    asked: dict[tuple[str, int, str], list[dict[str, str]]]


# -- What is sent --------------------------------------------------------------------------------------------------

LIE = f"X-Real-IP: {LIAR}\r\nX-Forwarded-For: {LIAR}\r\n"
# What is to become a request of its own. What is filled in later is as long as its name here.
NEXT = f"GET /CASE-NAME/smuggled HTTP/1.1\r\nHost: HOST.DOMAIN\r\n{LIE}Connection: close\r\n\r\n"
INNER = f"0\r\n\r\n{NEXT}"
OUTER = f"{len(NEXT):x}\r\n{NEXT}\r\n0\r\n\r\n"


def post(fields: str, body: str, *, line: str = "POST /CASE-NAME HTTP/1.1", host: str = "Host: HOST.DOMAIN\r\n") -> str:
    return f"{line}\r\n{host}Connection: close\r\n{fields}\r\n\r\n{body}"


def kept(fields: str, body: str) -> str:
    """Likewise, on a connection that goes on."""
    return f"POST /CASE-NAME HTTP/1.1\r\nHost: HOST.DOMAIN\r\n{fields}\r\n\r\n{body}"


OBSCURED = {
    "plain": "Transfer-Encoding: chunked",
    "upper case": "TRANSFER-ENCODING: CHUNKED",
    "no space": "Transfer-Encoding:chunked",
    "space after": "Transfer-Encoding: chunked ",
    "tab": "Transfer-Encoding:\tchunked",
    "vertical tab": "Transfer-Encoding: \x0bchunked",
    "form feed": "Transfer-Encoding: chunked\x0c",
    "NUL": "Transfer-Encoding: chunked\0",
    "x before": "Transfer-Encoding: xchunked",
    "identity": "Transfer-Encoding: identity",
    "gzip": "Transfer-Encoding: gzip, chunked",
    "identity after": "Transfer-Encoding: chunked, identity",
    "identity before": "Transfer-Encoding: identity, chunked",
    "comma": "Transfer-Encoding: ,chunked",
    "parameter": "Transfer-Encoding: chunked;q=1",
    "quotes": 'Transfer-Encoding: "chunked"',
    "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "and cow": "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    "cow and": "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "space before colon": "Transfer-Encoding : chunked",
    "tab before colon": "Transfer-Encoding\t: chunked",
    "NUL before colon": "Transfer-Encoding\0: chunked",
    "space in front": " Transfer-Encoding: chunked",
    "folded": "Transfer-Encoding:\r\n chunked",
    "folded behind": "X: y\r\n\tTransfer-Encoding: chunked",
    "line feed": "X: y\nTransfer-Encoding: chunked",
    "carriage return": "X: y\rTransfer-Encoding: chunked",
    "empty": "Transfer-Encoding:",
    "underscore": "Transfer_Encoding: chunked",
    "hop by hop": "Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
    "high letters": "Transfer-Encoding: chun\xe7ed",
}
LENGTHS = {
    "plus": "Content-Length: +5",
    "minus": "Content-Length: -5",
    "zeros": "Content-Length: 0005",
    "space within": "Content-Length: 5 0",
    "space after": "Content-Length: 5 ",
    "tab": "Content-Length:\t5",
    "list": "Content-Length: 5, 5",
    "list of two": "Content-Length: 0, 5",
    "same twice": "Content-Length: 5\r\nContent-Length: 5",
    "zero and five": "Content-Length: 0\r\nContent-Length: 5",
    "five and zero": "Content-Length: 5\r\nContent-Length: 0",
    "hexadecimal": "Content-Length: 0x5",
    "float": "Content-Length: 5.0",
    "exponent": "Content-Length: 5e0",
    "underscore in it": "Content-Length: 0_5",
    "underscore": "Content_Length: 5",
    "other digits": "Content-Length: \xb2",
    "NUL": "Content-Length: 5\0",
    "empty": "Content-Length:",
    "too large": "Content-Length: 18446744073709551621",
    "negative zero": "Content-Length: -0",
    "space before colon": "Content-Length : 5",
    "folded": "Content-Length:\r\n 5",
    "line feed": "X: y\nContent-Length: 5",
    "carriage return": "X: y\rContent-Length: 5",
    "hop by hop": "Content-Length: 5\r\nConnection: Content-Length",
}
CHUNKS = {
    "plain": "5\r\nhello\r\n0\r\n\r\n",
    "extension": "5;a=b\r\nhello\r\n0\r\n\r\n",
    "quoted extension": '5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
    "extension with line feed": f"5;\nhello\r\n0\r\n\r\n{NEXT}",
    "extension with carriage return": f"5;\rx\r\nhello\r\n0\r\n\r\n{NEXT}",
    "spaces": "5  \r\nhello\r\n0\r\n\r\n",
    "space before": " 5\r\nhello\r\n0\r\n\r\n",
    "prefix": "0x5\r\nhello\r\n0\r\n\r\n",
    "plus": "+5\r\nhello\r\n0\r\n\r\n",
    "minus": "-5\r\nhello\r\n0\r\n\r\n",
    "underscore": "0_5\r\nhello\r\n0\r\n\r\n",
    "leading zeros": "00000005\r\nhello\r\n0\r\n\r\n",
    "overflow": "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "overflow of 32 bits": "100000005\r\nhello\r\n0\r\n\r\n",
    "negative by overflow": "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "no size": "\r\nhello\r\n0\r\n\r\n",
    "line feeds": f"5\nhello\n0\n\n{NEXT}",
    "no end of chunk": f"5\r\nhello0\r\n\r\n{NEXT}",
    "two letters for the end": f"5\r\nhelloXX0\r\n\r\n{NEXT}",
    "carriage returns": f"5\rhello\r0\r\r{NEXT}",
    "NUL in size": "5\0\r\nhello\r\n0\r\n\r\n",
    "no last chunk": "5\r\nhello\r\n",
    "zeros for the last": "5\r\nhello\r\n0000\r\n\r\n",
    "trailer": "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "trailer with length": f"5\r\nhello\r\n0\r\nContent-Length: 500\r\n{LIE}\r\n",
    "trailer with encoding": f"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\nHost: evil\r\n\r\n{NEXT}",
    "trailer that is a request": f"5\r\nhello\r\n0\r\n{NEXT}",
}
OTHERS = {
    "HTTP/0.9": "GET /CASE-NAME\r\n",
    "HTTP/0.9 with fields": f"GET /CASE-NAME\r\nHost: HOST.DOMAIN\r\n{LIE}\r\n",
    "HTTP/1.0 chunked": post("Transfer-Encoding: chunked", OUTER, line="POST /CASE-NAME HTTP/1.0"),
    "HTTP/1.10": post("X: y", "", line="GET /CASE-NAME HTTP/1.10"),
    "HTTP/2.0": post("X: y", "", line="GET /CASE-NAME HTTP/2.0"),
    "HTTP/9.9": post("X: y", "", line="GET /CASE-NAME HTTP/9.9"),
    "lower case": post("X: y", "", line="GET /CASE-NAME http/1.1"),
    "two versions": post("X: y", "", line="GET /CASE-NAME HTTP/1.1 HTTP/1.1"),
    "two spaces": post("X: y", "", line="GET  /CASE-NAME  HTTP/1.1"),
    "tabs": post("X: y", "", line="GET\t/CASE-NAME\tHTTP/1.1"),
    "line feeds alone": f"GET /CASE-NAME HTTP/1.1\nHost: HOST.DOMAIN\n{LIE}\n",
    "carriage returns alone": f"GET /CASE-NAME HTTP/1.1\rHost: HOST.DOMAIN\r{LIE}\r\r",
    "NUL in the path": post("X: y", "", line="GET /CASE-NAME\0 HTTP/1.1"),
    "carriage return in the path": post("X: y", "", line="GET /CASE-NAME\r HTTP/1.1"),
    "encoded line ends": post("X: y", "", line=f"GET /CASE-NAME%20HTTP/1.1%0d%0aX-Real-IP:%20{LIAR}%0d%0a HTTP/1.1"),
    "absolute": post("X: y", "", line="GET http://HOST.DOMAIN/CASE-NAME HTTP/1.1"),
    "absolute, elsewhere": post("X: y", "", line="GET http://evil.example/CASE-NAME HTTP/1.1"),
    "star": post("X: CASE-NAME", "", line="OPTIONS * HTTP/1.1"),
    "CONNECT": post("X: y", "", line="CONNECT HOST.DOMAIN:80 HTTP/1.1"),
    "TRACE": post("X: y", "", line="TRACE /CASE-NAME HTTP/1.1"),
    "odd method": post("X: y", "", line="GET( /CASE-NAME HTTP/1.1"),
    "NUL in a field": post(f"X: y\0\r\n{LIE.strip()}", ""),
    "space before colon": post(f"X-Real-IP : {LIAR}\r\nX-Forwarded-For : {LIAR}", ""),
    "no colon": post("X", ""),
    "no name": post(": y", ""),
    "folded": post(f"X: y\r\n X-Real-IP: {LIAR}", ""),
    "folded first": f"GET /CASE-NAME HTTP/1.1\r\n X-Real-IP: {LIAR}\r\nHost: HOST.DOMAIN\r\nConnection: close\r\n\r\n",
    "line feed in a field": post(f"X: y\nX-Real-IP: {LIAR}", ""),
    "carriage return in a field": post(f"X: y\rX-Real-IP: {LIAR}", ""),
    "underscores": post(f"X_Real_IP: {LIAR}\r\nX_Forwarded_For: {LIAR}", ""),
    "dots": post(f"X.Real.IP: {LIAR}", ""),
    "hop by hop": post("Connection: close, X-Real-IP, X-Forwarded-For, Host", ""),
    "large head": post("\r\n".join(f"X-{number}: {'x' * 7000}" for number in range(4)), ""),
    "larger head": post("\r\n".join(f"X-{number}: {'x' * 7000}" for number in range(20)), ""),
    "GET with body": post(f"Content-Length: {len(NEXT)}", NEXT, line="GET /CASE-NAME HTTP/1.1"),
    "HEAD with body": post(f"Content-Length: {len(NEXT)}", NEXT, line="HEAD /CASE-NAME HTTP/1.1"),
    "DELETE chunked": post("Transfer-Encoding: chunked", OUTER, line="DELETE /CASE-NAME HTTP/1.1"),
    "expect": post(f"Expect: 100-continue\r\nContent-Length: {len(NEXT)}", NEXT),
    "expect, GET": kept(f"Expect: 100-continue\r\nContent-Length: {len(NEXT)}", NEXT).replace("POST", "GET"),
    "expect something": post(f"Expect: y 100-continue\r\nContent-Length: {len(NEXT)}", NEXT),
    "expect, folded": post(f"Expect:\r\n 100-continue\r\nContent-Length: {len(NEXT)}", NEXT),
    "body that waits": post("Content-Length: 500", NEXT),
    "upgrade with body": post(f"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: {len(NEXT)}", NEXT),
    "websocket that fails": kept(
        "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: x", NEXT
    ),
    "h2c": kept("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__", NEXT),
    "h2c by prior knowledge": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "pipelined": kept("Content-Length: 5", f"hello{NEXT}"),
    "pipelined without end": kept("Content-Length: 0", "GET /CASE-NAME/smuggled HTTP/1.1\r\nX: "),
    "two hosts": post("X: y", "", host="Host: HOST.DOMAIN\r\nHost: evil.example\r\n"),
    "empty lines first": "\r\n\r\n" + post(f"Content-Length: {len(NEXT)}", NEXT),
}
CASES = {
    **{f"CL.TE, {name}": kept(f"Content-Length: {len(INNER)}\r\n{field}", INNER) for name, field in OBSCURED.items()},
    **{f"TE.CL, {name}": kept(f"{field}\r\nContent-Length: 4", OUTER) for name, field in OBSCURED.items()},
    **{f"TE, {name}": kept(field, OUTER) for name, field in OBSCURED.items()},
    **{f"length, {name}": kept(field, f"hello{NEXT}") for name, field in LENGTHS.items()},
    **{f"chunk, {name}": kept("Transfer-Encoding: chunked", body) for name, body in CHUNKS.items()},
    **OTHERS,
}


def filled_in(text: str, case: str, host: str) -> str:
    return text.replace("CASE-NAME", case).replace("HOST.DOMAIN", host)


def literal(name: str, value: str) -> bytes:
    """A field of HTTP/2 that is not remembered."""
    found = b"\0"
    for text in (name, value):
        data = text.encode("latin-1")
        size = bytes([len(data)]) if len(data) < 127 else b"\x7f" + _rest(len(data) - 127)
        found += size + data
    return found


def _rest(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _rest(number // 128)


def frame(kind: int, flags: int, stream: int, data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data


def http_2(
    *fields: tuple[str, str], body: str = "", method: str = "POST", path: str = "/CASE-NAME"
) -> Callable[[str, str], str]:
    def make(case: str, host: str) -> str:
        pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "HOST.DOMAIN")]
        filled = [(name, filled_in(value, case, host)) for name, value in (*pseudo, *fields)]
        data = filled_in(body, case, host).encode("latin-1")
        head = b"".join(literal(*field) for field in filled)
        text = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, head)
        # GOAWAY: nothing more comes.
        return (text + frame(0, 1, 1, data) + frame(7, 0, 0, bytes(8))).decode("latin-1")

    return make


BY_HTTP_2 = {
    "h2, plain": http_2(("x", "y"), body="hello"),
    "h2, length too small": http_2(("content-length", "4"), body=f"hell{NEXT}"),
    "h2, length too large": http_2(("content-length", "400"), body="hello"),
    "h2, length 0": http_2(("content-length", "0"), body=NEXT),
    "h2, two lengths": http_2(("content-length", "0"), ("content-length", str(len(NEXT))), body=NEXT),
    "h2, chunked": http_2(("transfer-encoding", "chunked"), body=INNER),
    "h2, chunked and length": http_2(("transfer-encoding", "chunked"), ("content-length", str(len(INNER))), body=INNER),
    "h2, line ends in a value": http_2(("x", f"y\r\nX-Real-IP: {LIAR}\r\nTransfer-Encoding: chunked"), body=INNER),
    "h2, line feed in a value": http_2(("x", f"y\nX-Real-IP: {LIAR}"), body="hello"),
    "h2, line ends in a name": http_2((f"x: y\r\nx-real-ip: {LIAR}\r\nz", "y"), body="hello"),
    "h2, colon in a name": http_2((f"x-real-ip: {LIAR}", "y"), body="hello"),
    "h2, upper case": http_2(("Transfer-Encoding", "chunked"), body=INNER),
    "h2, NUL": http_2(("x", f"y\0X-Real-IP: {LIAR}"), body="hello"),
    "h2, line ends in the path": http_2(path=f"/CASE-NAME HTTP/1.1\r\nX-Real-IP: {LIAR}\r\nX: y", body="hello"),
    "h2, space in the path": http_2(path=f"/CASE-NAME HTTP/1.1 {LIAR}", body="hello"),
    "h2, request in the method": http_2(
        method="GET /CASE-NAME/smuggled HTTP/1.1\r\nHost: HOST.DOMAIN\r\n\r\nPOST", body="hello"
    ),
    "h2, line ends in the host": http_2((":authority", f"HOST.DOMAIN\r\nX-Real-IP: {LIAR}"), body="hello"),
    "h2, connection": http_2(("connection", "upgrade"), ("upgrade", "h2c"), body="hello"),
    "h2, second path": http_2((":path", "/CASE-NAME/smuggled"), body="hello"),
    "h2, underscores": http_2(("x_real_ip", LIAR), ("x_forwarded_for", LIAR), body="hello"),
}

# -- Where it is sent ----------------------------------------------------------------------------------------------


def domain(server: str) -> str:
    return f"{list(SERVERS).index(server):04}.domain"


def settings(server: str) -> Settings:
    """The site of a server, behind a balancer on the same host that comes from an address of its own."""
    command = SERVERS[server] if "$SOCKET" in SERVERS[server] else f"{SERVERS[server]} $SOCKET"
    roles = {"web": ["root@127.0.0.1"], "lb": [f"root@{BALANCER}"]}
    found = Settings(app=server, domains=[domain(server)], processes={"web": command}, hardening=False, roles=roles)
    hosts = [entry.host for entries in found.roles.values() for entry in entries]
    return found.reached_at({found.machine(host): [host.host] for host in hosts})


def text_of(resource: Any) -> str:
    (found,) = rendered([resource], Path("/nowhere"), "web")
    assert isinstance(found, File) and isinstance(found.content, str)
    return found.content


@pytest.fixture(scope="module")
def asked(boot: Callable[..., Vps], sandbox: Sandbox, provisioned_image: str) -> Iterator[Asked]:
    """All is sent to all of them, at once; the tests look at what became of it."""
    vps = boot(provisioned_image)
    vps.run("apt-get -qq update && apt-get -qq -y install haproxy 2>&1; systemctl stop haproxy")
    vps.run(f"python3 -m venv /opt/servers && /opt/servers/bin/pip install --quiet {PACKAGES} 2>&1")
    vps.run("mkdir -p /opt/app && cat > /opt/app/smuggling.py", stdin=(HERE / "smuggling.py").read_text())
    for server, command in SERVERS.items():
        site = text_of(nginx.site_file(settings(server)))
        # Visitors come by HTTP/2 only with HTTPS.
        site = site.replace("    listen 80;\n", f"    listen 80;\n    listen {HTTP_2} http2;\n")
        vps.run(f"cat > /etc/nginx/sites-enabled/{server}; mkdir -p /srv/{server}/current/run", stdin=site)
        socket = f"/srv/{server}/current/run/web.sock"
        environment = f"SERVER={server} SOCKET={socket} FORWARDED_ALLOW_IPS=* PATH=/opt/servers/bin:$PATH"
        vps.run(
            f"systemd-run --quiet --unit=server-{server} --working-directory=/opt/app -p UMask=0 env {environment} "
            f"sh -c 'exec {command}'"
        )
    vps.run("cat > /etc/haproxy/haproxy.cfg", stdin=balancer())
    vps.run(
        "rm -f /etc/nginx/sites-enabled/hello; nginx -t 2>&1 && systemctl reload nginx && systemctl restart haproxy"
    )
    for server in SERVERS:
        vps.wait_for_file(f"/srv/{server}/current/run/web.sock")
    keys: dict[str, tuple[str, int, str]] = {}
    cases = []
    for name, text in {**CASES, **BY_HTTP_2}.items():
        ways = {HTTP_2: SERVERS} if name in BY_HTTP_2 else {NGINX: SERVERS, HAPROXY: BEHIND_HAPROXY}
        for port, servers in ways.items():
            for server in servers:
                case, host = f"c{len(keys):08}", domain(server)
                keys[case] = (name, port, server)
                filled = text(case, host) if callable(text) else filled_in(text, case, host)
                cases.append([port, base64.b64encode(filled.encode("latin-1")).decode()])
    answers = json.loads(vps.run("python3 /opt/app/smuggling.py", stdin=json.dumps(cases)))
    log = [json.loads(line) for line in vps.run("cat /tmp/smuggling.log").splitlines()]
    found: dict[tuple[str, int, str], list[dict[str, str]]] = {key: [] for key in keys.values()}
    for request in log:
        if request["path"] == "/" and request["client"] == "127.0.0.1":
            continue  # the balancer, whether it is well
        case = re.search(r"c\d{8}", json.dumps(request))
        assert case, request
        found[keys[case[0]]].append({key: value.replace(case[0], "CASE-NAME") for key, value in request.items()})
    yield Asked(dict(zip(keys.values(), answers, strict=True)), found)
    sandbox.destroy(vps.name)


def balancer() -> str:
    """HAProxy's configuration as of a host of its own, but for its port and the address that it comes from."""
    (_, configuration) = haproxy.balancer(settings("waitress")).resources
    text = text_of(configuration).replace("bind 0.0.0.0:80\n", f"bind 127.0.0.1:{HAPROXY}\n")
    return text.replace("    bind [::]:80 v6only\n", "").replace(" tcp-ut 2s", f" tcp-ut 2s source {BALANCER}")


def meant(name: str, port: int) -> set[str]:
    """The bodies that a case's request may have: what its sender says that it is, to those who read strictly."""
    kind = name.partition(",")[0]
    strict = {"CL.TE": {INNER}, "TE.CL": {OUTER[:4]}, "TE": {NEXT, ""}, "length": {"hello", ""}, "chunk": {"hello"}}
    # Of two lengths HAProxy takes the chunks and drops the other, as RFC 9112 has it, and closes the connection then.
    by_chunks = {"CL.TE": {""}, "TE.CL": {NEXT}} if port == HAPROXY else {}
    return strict.get(kind, {"", "hello", NEXT, INNER}) | by_chunks.get(kind, set())


@pytest.mark.parametrize("server", SERVERS)
def test_what_two_servers_could_read_differently_is_one_request_or_none(asked: Asked, server: str) -> None:
    wrong = []
    for (name, port, asked_server), requests in asked.asked.items():
        if asked_server != server:
            continue
        first = [request for request in requests if not request["path"].endswith("/smuggled")]
        bodies = {filled_in(body, "CASE-NAME", domain(server)) for body in meant(name, port)}
        problems = {
            "past the front": any(LIAR in request["client"] + request["via"] for request in requests),
            "more than one": len(first) > 1 or len(requests) - len(first) > 1,
            "not as it was meant": any(request["body"] not in bodies for request in first),
            "another host": any(request["host"] != domain(server) for request in requests),
        }
        said = name, port, requests, asked.answers[name, port, server][:200]
        wrong += [(problem, *said) for problem, is_so in problems.items() if is_so]
    assert wrong == []


@pytest.mark.parametrize("server", SERVERS)
def test_what_is_not_refused_arrives(asked: Asked, server: str) -> None:
    for name, port in (
        ("chunk, plain", NGINX),
        ("length, zeros", NGINX),
        ("h2, plain", HTTP_2),
        ("chunk, plain", HAPROXY),
    ):
        if port != HAPROXY or server in BEHIND_HAPROXY:
            (request,) = [each for each in asked.asked[name, port, server] if "/smuggled" not in each["path"]]
            assert request["body"] == "hello", name


@pytest.mark.parametrize("server", SERVERS)
def test_no_server_gives_a_visitor_a_connection_of_another_protocol(asked: Asked, server: str) -> None:
    """hypercorn takes h2c, and whoever speaks it to the app is past nginx: any address, any host, no limits, no log."""
    for name in ("h2c", "h2c by prior knowledge", "h2, connection", "upgrade with body", "websocket that fails"):
        for front in (NGINX, HAPROXY, HTTP_2):
            assert " 101 " not in asked.answers.get((name, front, server), ""), name
