"""Health check of an app, through its own socket or through nginx."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from ..linux.unix_http import connected

HTTPS_PORT = 443
# Bytes; what nginx takes from an app by default is far less.
_LONGEST_HEAD = 1 << 16


@dataclass(frozen=True)
class HealthCheck:
    """How to check whether an app is healthy.

    :param path: path of the page.
    :param host: Host header; the site's own name, so that a framework's list of allowed hosts accepts it.
    :param statuses: first and last of each range of HTTP statuses that mean healthy.
    :param timeout: seconds in which a new release must become healthy.
    :param request_timeout: limit in seconds for one answer; never more than `timeout`.
    """

    path: str
    host: str
    statuses: tuple[tuple[int, int], ...]
    timeout: float
    request_timeout: float = 10.0

    def ask_socket(self, path: str, user: str | None = None) -> str | None:
        """Check through the app's own socket.

        :param user: the app's user, who connects: the socket may be a link to another one, which that user must reach.
        :returns: None when it is healthy, else what was found and what was expected.
        """
        return self._ask(lambda timeout: connected(path, timeout, user))

    def ask_port(self, port: int) -> str | None:
        """Check through this port of the loopback address, by HTTPS if it is 443; like `ask_socket`."""
        if port != HTTPS_PORT:
            return self._ask(lambda timeout: socket.create_connection(("127.0.0.1", port), timeout))
        problem = self._ask(self._connected_by_tls)
        refused = problem is not None and "Connection refused" in problem
        return f"{problem}; nginx does not serve HTTPS here yet: run `fab provision`" if refused else problem

    def _connected_by_tls(self, timeout: float) -> socket.socket:
        """Connect to this host by HTTPS, for a name that may resolve elsewhere; the certificate is not verified."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = socket.create_connection(("127.0.0.1", HTTPS_PORT), timeout)
        try:
            return context.wrap_socket(connection, server_hostname=self.host)
        except BaseException:
            connection.close()
            raise

    @property
    def _patience(self) -> float:
        return min(self.request_timeout, self.timeout)

    def wait(
        self, ask: Callable[[], str | None], alive: Callable[[], object], interval: float = 0.05, look: float = 0.2
    ) -> str | None:
        """Check repeatedly until it is healthy or the time is up.

        :param alive: called now and then between two checks; raises when waiting is useless.
        :param interval: seconds between two checks.
        :param look: seconds between two calls of `alive`, during which supervisord cannot start processes.
        :returns: None when it became healthy, else the last answer.
        """
        next_look = time.monotonic()
        deadline = next_look + self.timeout
        while (found := ask()) is not None and (now := time.monotonic()) < deadline:
            if now >= next_look:
                alive()
                next_look = now + look
            time.sleep(interval)
        return found

    def _ask(self, connect: Callable[[float], socket.socket]) -> str | None:
        # The headers that nginx adds for HTTPS: an app that redirects HTTP must not redirect this.
        headers = {
            "Host": self.host,
            "Accept-Encoding": "identity",
            "User-Agent": "hostsmith-health",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": "https",
            "Connection": "close",
        }
        lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        deadline = time.monotonic() + self._patience
        try:
            with connect(self._patience) as connection:
                connection.sendall("\r\n".join(lines).encode("latin-1"))
                response = _response(connection, deadline)
        except FileNotFoundError:
            return "it is not listening on its socket yet"
        except (OSError, http.client.HTTPException) as error:
            return f"GET {self.path}: {error or type(error).__name__}"
        return self._judged(response)

    def _judged(self, response: http.client.HTTPResponse) -> str | None:
        if any(first <= response.status <= last for first, last in self.statuses):
            return None
        wanted = " or ".join(f"{first}-{last}" if first != last else str(first) for first, last in self.statuses)
        location = response.getheader("Location")
        where = f" to {location}" if location else ""
        hint = ""
        if response.status in (301, 302, 307, 308):
            hint = "; set health.path to a page that answers without a redirect"
        if response.status == 400:
            hint = f"; does the app accept the Host {self.host!r}? set health.host to one that it does"
        return f"GET {self.path} answered {response.status}{where}, expected {wanted}{hint}"


def _response(connection: socket.socket, deadline: float) -> http.client.HTTPResponse:
    """Read the head of an answer, which may be arbitrarily long and slow."""
    head = b""
    while b"\n\r\n" not in head and b"\n\n" not in head and len(head) < _LONGEST_HEAD:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        if not (more := connection.recv(_LONGEST_HEAD)):
            break
        head += more
    response = http.client.HTTPResponse(cast(socket.socket, _Received(head)))
    response.begin()
    return response


class _Received:
    """Received bytes as a socket, for Python's HTTP parser."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._head)
