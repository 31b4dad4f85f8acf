"""What sshd goes by, whichever of its files says so."""

from __future__ import annotations

import functools

from . import system
from .login import login


@functools.cache
def effective() -> dict[str, list[str]]:
    """The values that sshd would take from its files now, by option in lower case; an option may have several.

    :raises CommandError: it refuses its files.
    """
    values: dict[str, list[str]] = {}
    for line in system.run(["sshd", "-T"]).stdout.decode("utf-8", "replace").splitlines():
        option, _, value = line.partition(" ")
        # Versions from 10.6 on write options as the manual does.
        values.setdefault(option.lower(), []).append(value)
    return values


def forget() -> None:
    """Its files have changed."""
    effective.cache_clear()


def ports() -> list[int]:
    """The ports that SSH is reached by: sshd's own, and the one of this connection, which may be systemd's."""
    known = {int(port) for port in effective().get("port", [])}
    here = login().port
    return sorted(known | ({here} if here else set()))
