"""A page with the answering host, its release and the visitor's address."""

import os
import socket


def app(environ, start_response):
    """Answer every path, the health page too."""
    release = os.environ.get("HOSTSMITH_RELEASE", "my desk")
    # The balancer and nginx in front pass the visitor's address in this header.
    visitor = environ.get("HTTP_X_FORWARDED_FOR", environ.get("REMOTE_ADDR"))
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{socket.gethostname()} answers with {release}. You are {visitor}.\n".encode()]
