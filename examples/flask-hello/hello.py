"""A site of one page."""

import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home() -> str:
    """Greet, and say which release answers."""
    return f"Hello from {os.environ.get('HOSTSMITH_RELEASE', 'my desk')}! You are {request.remote_addr}.\n"


@app.get("/healthz")
def healthz() -> str:
    """Say that the app is well; a real one would ask its database."""
    return "ok\n"
