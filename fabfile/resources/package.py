"""Debian packages, installed in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.base import Change, Handler, Resource
from ..hostkit.programs import apt


@dataclass(frozen=True, init=False)
class Package(Resource):
    """Debian packages that must be installed: `Package("nginx")`, `Package("git", "rsync")`.

    Any version counts unless a name has one; the host itself upgrades them. Missing ones are installed in one apt
    transaction.

    :param names: as apt takes them: also with an architecture, a version or a release to install it from, such as
        "libc6:i386", "redis=5:7.0.15-1" or "git/stable-backports".
    :param max_age: seconds; when a package is missing and the package lists are older, they are refreshed first.
    :param timeout: limit in seconds for the download of the lists, and of the packages.
    :param lock_timeout: seconds to wait for another program that uses apt, such as unattended-upgrades.
    """

    names: tuple[str, ...] = ()
    max_age: int = 86400
    timeout: int = apt.TIMEOUT
    lock_timeout: int = apt.LOCK_TIMEOUT

    def __init__(
        self,
        *names: str,
        max_age: int = 86400,
        timeout: int = apt.TIMEOUT,
        lock_timeout: int = apt.LOCK_TIMEOUT,
        notify: Handler | tuple[Handler, ...] = (),
    ) -> None:
        values = {"names": names, "max_age": max_age, "timeout": timeout, "lock_timeout": lock_timeout}
        for field, value in {**values, "notify": notify}.items():
            object.__setattr__(self, field, value)

    def describe(self) -> str:
        return f"package {', '.join(self.names)}"

    def check(self) -> Change | None:
        missing = apt.missing(self.names)
        if not missing:
            return None

        def apply() -> None:
            apt.install(missing, self.max_age, self.timeout, self.lock_timeout)

        return Change(f"installed {', '.join(missing)}", apply)
