"""How the controller has come to this host: as which user, from where, by which port."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Login:
    """The SSH connection that carries this run.

    :param user: who logged in; root, or whoever used sudo.
    :param client: IP address that the connection is from; empty when it is not known.
    :param port: port here that it is to; None when it is not known.
    """

    user: str
    client: str
    port: int | None


def login() -> Login:
    """The connection that carries this run."""
    words = _ssh_connection().split()
    client, port = (words[0], int(words[3])) if len(words) == 4 else ("", None)
    return Login(os.environ.get("SUDO_USER", "root"), client, port)


def _ssh_connection() -> str:
    """What sshd told the session; sudo keeps it from us, but not from the processes above it."""
    pid = os.getpid()
    while pid > 1:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                if entry.startswith(b"SSH_CONNECTION="):
                    return entry.partition(b"=")[2].decode("ascii", "replace")
        try:
            # The name of the program, in brackets, may hold anything.
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except (OSError, UnicodeDecodeError):
            break
    return ""
