"""What systemd says of units, and systemctl, with unit files that changed on disk read again first."""

from __future__ import annotations

import re

from . import bus, system

# A name that systemctl takes as it is; others it escapes, expands or completes.
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
    """Properties of a unit, as `systemctl show` prints them; also for a unit that is not there."""
    whole = unit if _WHOLE.fullmatch(unit) else f"{unit}.service"
    if _WHOLE.fullmatch(whole):
        try:
            return bus.properties(whole, names)
        except (OSError, bus.BusError):
            # systemctl may know another way; if not, it says why in words that people can look up.
            pass
    return shown(unit, *names)


def shown(unit: str, *names: str) -> dict[str, str]:
    """The same, asked by systemctl."""
    out = system.run(["systemctl", "show", "--property", ",".join(names), "--", unit]).stdout.decode()
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
