"""A site of one page that says which host answers, with which release, and to whom."""

import os
import socket


def app(environ, start_response):
    """Answer every path, the health page too."""
    release = os.environ.get("HOSTSMITH_RELEASE", "my desk")
    # nginx stands in front, and behind it the balancer: between them they see to it that this is the visitor.
    visitor = environ.get("HTTP_X_FORWARDED_FOR", environ.get("REMOTE_ADDR"))
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{socket.gethostname()} answers with {release}. You are {visitor}.\n".encode()]
