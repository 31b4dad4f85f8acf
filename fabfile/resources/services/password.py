"""Passwords generated on their host, and files that contain them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...contract.base import Change, Resource, ResourceError
from ...contract.secret import Secret
from ...hostkit.app import passwords
from ...hostkit.linux import memory
from ..file import File

_HERE = "%PASSWORD%"
_MEMORY = re.compile(r"%MEMORY/(\d+)%")
_MB = 1 << 20


@dataclass(frozen=True)
class Password(Resource):
    """The password of an app's own user in a service: generated if missing, and then kept.

    :param app: the app.
    :param service: name of the service.
    """

    app: str
    service: str

    def describe(self) -> str:
        return f"password of {self.app} for {self.service}"

    def check(self) -> Change | None:
        if self.service in passwords.kept(self.app):
            return None
        return Change(
            "generated",
            lambda: passwords.generate(self.app, self.service),
            lambda: passwords.forget(self.app, self.service),
        )


@dataclass(frozen=True)
class KeptFile(Resource):
    """A file with values that only the host has: a password, its size of memory.

    :param path: absolute path; its folder must exist.
    :param text: its content, with `%PASSWORD%` for the service's password, and `%MEMORY/8%` for an eighth of the
        host's memory, in MB.
    :param app: the app whose password it is.
    :param service: name of the service.
    :param mode: permission bits.
    :param owner: user.
    :param group: group.
    """

    path: str
    text: str
    app: str
    service: str
    mode: int = 0o600
    owner: str = "root"
    group: str = "root"

    def describe(self) -> str:
        return f"file {self.path}"

    def check(self) -> Change | None:
        password = passwords.kept(self.app).get(self.service)
        if password is None:
            raise ResourceError(f"{self.app} has no password for {self.service} yet; `fab provision` generates it")
        text = _MEMORY.sub(lambda found: str(max(16, memory.total() // int(found[1]) // _MB)), self.text)
        content = Secret(text.replace(_HERE, password.reveal()))
        return File(self.path, content, self.mode, self.owner, self.group).check()
