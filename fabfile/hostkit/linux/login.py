"""The controller's login on this host: user, address and port."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Login:
    """The SSH connection that carries this run.

    :param user: the login name; root, or the user of sudo.
    :param client: IP address of the other end; empty when unknown.
    :param port: port on this host; None when unknown.
    """

    user: str
    client: str
    port: int | None


def login() -> Login:
    """Read the connection that carries this run."""
    words = _ssh_connection().split()
    client, port = (words[0], int(words[3])) if len(words) == 4 else ("", None)
    return Login(os.environ.get("SUDO_USER", "root"), client, port)


def _ssh_connection() -> str:
    """Read sshd's variable of the session; sudo removes it, but parent processes still have it."""
    pid = os.getpid()
    while pid > 1:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                if entry.startswith(b"SSH_CONNECTION="):
                    return entry.partition(b"=")[2].decode("ascii", "replace")
        try:
            # The program's name, in brackets, may contain anything.
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except (OSError, UnicodeDecodeError):
            break
    return ""
