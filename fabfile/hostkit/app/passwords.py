"""Passwords of an app's services, generated and kept on the service's host."""

from __future__ import annotations

import contextlib
import glob
import json
import os

from ...contract import redact
from ...contract.base import ResourceError
from ...contract.secret import Secret
from ..linux import filesystem, folders

FOLDER = "/var/lib/hostsmith"
_LENGTH = 40


def path(app: str, folder: str = FOLDER) -> str:
    """Return the path of their file; readable by root only."""
    return f"{folder}/{app}/services.json"


def kept(app: str, folder: str = FOLDER) -> dict[str, Secret]:
    """Read the password of each service of an app that was set up on this host.

    :raises ResourceError: the file is damaged.
    """
    file = path(app, folder)
    text = filesystem.read(file)
    try:
        found = {str(name): Secret(each["password"]) for name, each in json.loads(text or b"{}").items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ResourceError(
            f"{file} is damaged; repair it, or remove it: `fab provision` then generates new passwords, "
            "and the next deploy gives them to the app"
        ) from None
    for password in found.values():
        redact.remember(password)
    return found


def generate(app: str, service: str, folder: str = FOLDER) -> None:
    """Generate the password of another service."""
    # Here, because it loads OpenSSL.
    import secrets
    import string

    alphabet = string.ascii_letters + string.digits
    password = Secret("".join(secrets.choice(alphabet) for _ in range(_LENGTH)))
    redact.remember(password)
    _write(app, {**kept(app, folder), service: password}, folder)


def forget(app: str, service: str, folder: str = FOLDER) -> None:
    """Delete a password that nothing uses yet."""
    _write(app, {name: each for name, each in kept(app, folder).items() if name != service}, folder)


def users(app: str, folder: str = FOLDER) -> list[str]:
    """List the services in which the app's user was created for it, and is not a person's of the same name."""
    found = json.loads(filesystem.read(_users(app, folder)) or b"[]")
    return [str(service) for service in found]


def remember_user(app: str, service: str, folder: str = FOLDER) -> None:
    """Record that the user is the app's; before it is created, so that it is never taken for a person's."""
    found = users(app, folder)
    if service not in found:
        filesystem.write_atomic(_users(app, folder), json.dumps([*found, service]).encode(), mode=0o600)


def _users(app: str, folder: str) -> str:
    return f"{folder}/{app}/users.json"


def remember_all(app: str | None = None, folder: str = FOLDER) -> None:
    """Redact all passwords from the host's output.

    :param app: only those of this app; None: of all apps.
    """
    for file in glob.glob(path(app or "*", folder)):
        with contextlib.suppress(ResourceError):
            kept(os.path.basename(os.path.dirname(file)), folder)


def _write(app: str, passwords: dict[str, Secret], folder: str) -> None:
    file = path(app, folder)
    for each in (folder, os.path.dirname(file)):
        folders.make(each, 0o700)
    data = {name: {"password": password.reveal()} for name, password in passwords.items()}
    filesystem.write_atomic(file, (json.dumps(data, indent=1) + "\n").encode(), mode=0o600)
