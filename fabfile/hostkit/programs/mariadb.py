"""MariaDB on this host: questions to it as its superuser, and how it keeps passwords."""

from __future__ import annotations

import hashlib

from ..linux import system


def ask(sql: str) -> list[list[str]]:
    """The rows of an answer, or none; the statements go by standard input, where no `ps` shows them.

    :raises ResourceError: it failed, in MariaDB's own words.
    """
    # Root comes by the socket, without a password; its own start file is not read.
    argv = ["mariadb", "--no-defaults", "--batch", "--skip-column-names"]
    done = system.run(argv, stdin=sql.encode(), label="mariadb")
    return [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()]


def kept(password: str) -> str:
    """What MariaDB keeps of a password, so that it need not be sent there, where it may be logged."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()
