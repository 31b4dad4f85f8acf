"""Effective configuration of sshd."""

from __future__ import annotations

import functools

from . import system
from .login import login


@functools.cache
def effective() -> dict[str, list[str]]:
    """Read sshd's effective options from its files, in lower case; an option may have several values.

    :raises CommandError: it rejects its files.
    """
    values: dict[str, list[str]] = {}
    for line in system.run(["sshd", "-T"]).stdout.decode("utf-8", "replace").splitlines():
        option, _, value = line.partition(" ")
        # Since 10.6, options are written as in the manual.
        values.setdefault(option.lower(), []).append(value)
    return values


def forget() -> None:
    """Discard the cache after its files have changed."""
    effective.cache_clear()


def ports() -> list[int]:
    """List the ports of SSH: sshd's own, and that of this connection, which may be systemd's."""
    known = {int(port) for port in effective().get("port", [])}
    here = login().port
    return sorted(known | ({here} if here else set()))
