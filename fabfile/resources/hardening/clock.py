"""Time synchronization."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...contract.base import Change, Resource
from ...hostkit.linux import system
from ...hostkit.linux.container import container
from ...hostkit.programs import apt

_TIMESYNCD = "systemd-timesyncd"
_OTHERS = ("/usr/sbin/chronyd", "/usr/sbin/ntpd", "/usr/sbin/openntpd")


@dataclass(frozen=True)
class TimeSync(Resource):
    """A time service: the existing one, else systemd-timesyncd. A container uses its machine's clock."""

    def describe(self) -> str:
        return "time sync"

    def check(self) -> Change | None:
        if container() or any(os.path.exists(path) for path in _OTHERS):
            return None
        missing = apt.missing([_TIMESYNCD])
        enabled = os.path.lexists(f"/etc/systemd/system/sysinit.target.wants/{_TIMESYNCD}.service")
        if not missing and enabled:
            return None

        def apply() -> None:
            if missing:
                apt.install(missing, 86400)
            system.run(["systemctl", "enable", "--now", _TIMESYNCD])

        return Change("installed systemd-timesyncd" if missing else "systemd-timesyncd started", apply)
