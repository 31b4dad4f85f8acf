"""The password of a service, made up once on its host, and files that it stands in."""

from __future__ import annotations

from dataclasses import dataclass

from ..agent import passwords
from .base import Change, Resource, ResourceError
from .file import File
from .secret import Secret

_HERE = "%PASSWORD%"


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
            lambda: passwords.make_up(self.app, self.service),
            lambda: passwords.forget(self.app, self.service),
        )


@dataclass(frozen=True)
class KeptFile(Resource):
    """A file that a service's password stands in.

    :param path: absolute path; its folder must exist.
    :param text: its content, with `%PASSWORD%` where that comes.
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
        content = Secret(self.text.replace(_HERE, password.reveal()))
        return File(self.path, content, self.mode, self.owner, self.group).check()
