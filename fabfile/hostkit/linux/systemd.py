"""systemd units: their properties, and systemctl with reload of changed unit files."""

from __future__ import annotations

import re

from . import dbus, system

# A name that systemctl uses unchanged; it escapes, expands or completes others.
_WHOLE = re.compile(r"[A-Za-z0-9:_.@\\-]+\.(service|socket|target|timer|mount|swap|path|slice|scope|device|automount)")


def systemctl(verb: str, unit: str) -> None:
    """Run `systemctl <verb> <unit>`.

    :raises CommandError: it failed; with the unit's last log lines when it could not be started.
    """
    if properties(unit, "NeedDaemonReload").get("NeedDaemonReload") == "yes":
        system.run(["systemctl", "daemon-reload"])
    try:
        system.run(["systemctl", verb, "--", unit])
    except system.CommandError as error:
        log = system.run(
            ["journalctl", "--unit", unit, "--lines", "10", "--no-pager", "--output", "cat"], ok=range(256)
        )
        raise system.CommandError(f"{error}\n{system.tail(log.stdout)}".rstrip()) from error


def properties(unit: str, *names: str) -> dict[str, str]:
    """Read properties of a unit, as `systemctl show` prints them; also for a missing unit."""
    whole = unit if _WHOLE.fullmatch(unit) else f"{unit}.service"
    if _WHOLE.fullmatch(whole):
        try:
            return dbus.properties(whole, names)
        except (OSError, dbus.BusError):
            # systemctl may succeed in another way; if not, people can look up its message.
            pass
    return shown(unit, *names)


def shown(unit: str, *names: str) -> dict[str, str]:
    """Read properties of a unit with systemctl."""
    out = system.run(["systemctl", "show", "--property", ",".join(names), "--", unit]).stdout.decode()
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
