"""The web server that a web process's command starts."""

from __future__ import annotations

import re

_GUNICORN = re.compile(r"(^|[\s/])gunicorn(\s|$)")
_WORKER_CLASS = re.compile(r"\s(?:-k\s*|--worker-class[\s=]\s*)[\"']?([\w.]+)")
# Packages of gunicorn's workers, by the worker's module. uvicorn's own worker is deprecated.
_WORKER_PACKAGES = {"uvicorn_worker": "uvicorn-worker", "uvicorn": "uvicorn"}
_ASGI = re.compile(r"\b(?:uvicorn|hypercorn|daphne|granian)", re.IGNORECASE)


def is_gunicorn(command: str) -> bool:
    """Whether it starts gunicorn, which gets its socket by a file of the release."""
    return bool(_GUNICORN.search(command))


def packages(command: str) -> tuple[str, ...]:
    """List the packages to install if the requirements lack the server: gunicorn and its worker."""
    if not is_gunicorn(command):
        return ()
    worker = _WORKER_PACKAGES.get(_worker_class(command).partition(".")[0])
    return ("gunicorn", worker) if worker else ("gunicorn",)


def is_asgi(command: str) -> bool:
    """Whether it serves ASGI, and so perhaps websockets, which are long connections."""
    return bool(_ASGI.search(command)) or (is_gunicorn(command) and _worker_class(command) == "asgi")


def _worker_class(command: str) -> str:
    found = _WORKER_CLASS.search(command)
    return found[1] if found else ""
