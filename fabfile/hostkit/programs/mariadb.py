"""MariaDB on this host: queries as its superuser, and password hashes."""

from __future__ import annotations

import hashlib

from ..linux import system


def ask(sql: str) -> list[list[str]]:
    """Run statements and return the rows; they are passed by standard input, which `ps` does not show.

    :raises ResourceError: it failed, with MariaDB's own error.
    """
    # Root connects by the socket, without a password and without root's own option file.
    argv = ["mariadb", "--no-defaults", "--batch", "--skip-column-names"]
    done = system.run(argv, stdin=sql.encode(), label="mariadb")
    return [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]


def kept(password: str) -> str:
    """Return MariaDB's hash of a password, so that the password itself is not sent, where it may be logged."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()
