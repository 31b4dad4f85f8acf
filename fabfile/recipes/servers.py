"""What the command of the web process says of the server that it starts."""

from __future__ import annotations

import re

_GUNICORN = re.compile(r"(^|[\s/])gunicorn(\s|$)")
_WORKER_CLASS = re.compile(r"\s(?:-k\s*|--worker-class[\s=]\s*)[\"']?([\w.]+)")
# The package that brings a worker for gunicorn, by the module that the worker is in. uvicorn's own is deprecated.
_WORKER_PACKAGES = {"uvicorn_worker": "uvicorn-worker", "uvicorn": "uvicorn"}
_ASGI = re.compile(r"\b(?:uvicorn|hypercorn|daphne|granian)", re.IGNORECASE)


def is_gunicorn(command: str) -> bool:
    """Whether it starts gunicorn, which is then told by a file of the release where to listen."""
    return bool(_GUNICORN.search(command))


def packages(command: str) -> tuple[str, ...]:
    """What the server is made of, for when the requirements do not bring it: gunicorn, and the worker it is to use."""
    if not is_gunicorn(command):
        return ()
    worker = _WORKER_PACKAGES.get(_worker_class(command).partition(".")[0])
    return ("gunicorn", worker) if worker else ("gunicorn",)


def is_asgi(command: str) -> bool:
    """Whether it serves ASGI, and with that perhaps websockets: connections that last."""
    return bool(_ASGI.search(command)) or (is_gunicorn(command) and _worker_class(command) == "asgi")


def _worker_class(command: str) -> str:
    found = _WORKER_CLASS.search(command)
    return found[1] if found else ""
