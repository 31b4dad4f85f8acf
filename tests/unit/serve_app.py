"""A web app for the tests of `fab serve`: a server on a Unix socket that says what it was told, with a child."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    """Answers with its environment and the request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
            self.wfile.write(self.rfile.readline())
            self.close_connection = True
            return
        self._say({"path": self.path, "headers": dict(self.headers), "env": dict(os.environ)})

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self._say({"read": len(self.rfile.read(size))})

    def _say(self, told: dict[str, object]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with Server(os.environ["SOCKET"], Handler) as server:
        print(f"serving, child {child.pid}", flush=True)
        server.serve_forever()
