"""A password that is made up once on its host, and files with what only the host knows."""

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
    """The password of an app's own user in a service: made up when there is none, and then it stays.

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
            "made up",
            lambda: passwords.generate(self.app, self.service),
            lambda: passwords.forget(self.app, self.service),
        )


@dataclass(frozen=True)
class KeptFile(Resource):
    """A file with what only the host knows.

    :param path: absolute path; its folder must exist.
    :param text: its content, with `%PASSWORD%` where the service's password comes, and `%MEMORY/8%` for an eighth of
        the host's memory, in MB.
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
            raise ResourceError(f"there is no password of {self.app} for {self.service} yet; `fab provision` makes it")
        text = _MEMORY.sub(lambda found: str(max(16, memory.total() // int(found[1]) // _MB)), self.text)
        content = Secret(text.replace(_HERE, password.reveal()))
        return File(self.path, content, self.mode, self.owner, self.group).check()
