"""The app that every tool deploys: one page, which says what has been deployed."""

from importlib.metadata import version

from flask import Flask
from revision import NUMBER

app = Flask(__name__)
_PAGE = f"revision {NUMBER} with certifi {version('certifi')}\n"


@app.get("/")
def home() -> str:
    """The revision, and the version of the package whose version changes."""
    return _PAGE


@app.get("/healthz")
def healthz() -> str:
    """Say that the app is healthy."""
    return "ok\n"
