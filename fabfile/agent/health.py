"""Asking an app for its health page, through its own socket or through nginx."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from .unix_http import UnixConnection

HTTPS_PORT = 443


@dataclass(frozen=True)
class HealthCheck:
    """How to ask an app whether it is well.

    :param path: path of the page.
    :param host: Host header; the site's own name, so that a framework's list of allowed hosts lets it pass.
    :param statuses: first and last of each range of HTTP statuses that mean "well".
    :param timeout: seconds that a new release may take to become so.
    :param request_timeout: seconds that one answer may take; never more than `timeout`.
    """

    path: str
    host: str
    statuses: tuple[tuple[int, int], ...]
    timeout: float
    request_timeout: float = 10.0

    def ask_socket(self, path: str) -> str | None:
        """Ask through the app's own socket.

        :returns: None when it is well, else what was found and what was expected.
        """
        return self._ask(UnixConnection(path, self._patience))

    def ask_port(self, port: int) -> str | None:
        """Ask through whatever serves this port of the loopback address, by HTTPS if it is 443; as `ask_socket`."""
        if port == HTTPS_PORT:
            problem = self._ask(_TlsConnection(self.host, self._patience))
            refused = problem is not None and "Connection refused" in problem
            return f"{problem}; nginx does not serve HTTPS here yet: run `fab provision`" if refused else problem
        return self._ask(http.client.HTTPConnection("127.0.0.1", port, timeout=self._patience))

    @property
    def _patience(self) -> float:
        return min(self.request_timeout, self.timeout)

    def wait(
        self, ask: Callable[[], str | None], alive: Callable[[], object], interval: float = 0.05, look: float = 0.2
    ) -> str | None:
        """Ask again and again until it is well or the time is up.

        :param alive: called now and then between two questions; raises when there is no more use in waiting.
        :param interval: seconds between two questions.
        :param look: seconds between two calls of `alive`, which keeps supervisord from starting the app while it tells.
        :returns: None when it became well, else the last answer.
        """
        next_look = time.monotonic()
        deadline = next_look + self.timeout
        while (found := ask()) is not None and (now := time.monotonic()) < deadline:
            if now >= next_look:
                alive()
                next_look = now + look
            time.sleep(interval)
        return found

    def _ask(self, connection: http.client.HTTPConnection) -> str | None:
        # What nginx adds for a visitor who came by HTTPS: an app that redirects HTTP must not redirect this.
        headers = {
            "Host": self.host,
            "User-Agent": "hostsmith-health",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": "https",
            "Connection": "close",
        }
        try:
            connection.request("GET", self.path, headers=headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            return f"GET {self.path}: {error or type(error).__name__}"
        finally:
            connection.close()
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


class _TlsConnection(http.client.HTTPConnection):
    """HTTPS to this host under a name that may lead elsewhere; whether it is trusted is for visitors to say."""

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__("127.0.0.1", HTTPS_PORT, timeout=timeout)
        self._name = name
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def connect(self) -> None:
        connection = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._context.wrap_socket(connection, server_hostname=self._name)
