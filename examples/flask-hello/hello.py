"""A site of one page."""

import os

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
# nginx stands in front: who really asks, and how, is in the headers that it sets.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]


@app.get("/")
def home() -> str:
    """Greet, and say which release answers."""
    return f"Hello from {os.environ.get('HOSTSMITH_RELEASE', 'my desk')}! You are {request.remote_addr}.\n"


@app.get("/healthz")
def healthz() -> str:
    """Answer the health check; a real app would query its database."""
    return "ok\n"
