"""A resource of the project. This module is sent to the host and imports only what is there."""

import os
from dataclasses import dataclass

from hostsmith.resources import Change, Resource, ResourceError


@dataclass(frozen=True)
class Timezone(Resource):
    """The host's time zone.

    :param name: such as "Europe/Lisbon".
    """

    name: str

    def describe(self):
        return f"timezone {self.name}"

    def check(self):
        wanted = f"/usr/share/zoneinfo/{self.name}"
        if not os.path.exists(wanted):
            raise ResourceError(f"there is no time zone {self.name!r}; `timedatectl list-timezones` lists them")
        before = os.readlink("/etc/localtime") if os.path.islink("/etc/localtime") else None
        if before is not None and os.path.realpath("/etc/localtime") == os.path.realpath(wanted):
            return None
        return Change(f"{before} -> {wanted}", lambda: _point(wanted), lambda: _point(before))


def _point(target):
    if os.path.lexists("/etc/localtime"):
        os.unlink("/etc/localtime")
    if target is not None:
        os.symlink(target, "/etc/localtime")
