"""The Unix user as whom the deployers of an app log in."""

from __future__ import annotations

import pwd
from dataclasses import dataclass

from ..agent import system
from .base import Change, Resource, ResourceError


@dataclass(frozen=True)
class DeployUser(Resource):
    """A user that was made for the deployers of one app: nobody else's, and in no group that may do more.

    :param name: its name.
    :param app: the app.
    :param home: its home folder, which is not made here.
    """

    name: str
    app: str
    home: str

    def describe(self) -> str:
        return f"user {self.name}"

    def check(self) -> Change | None:
        """Never a change of a user who is there: an admin who lost keys and home to it would be locked out."""
        try:
            found = pwd.getpwnam(self.name)
        except KeyError:
            return Change("created", self._create, self._remove)
        if (found.pw_gecos.split(",")[0], found.pw_dir) != (self._comment, self.home):
            raise ResourceError(
                f"there is a user {self.name} on this host who is not made for the deployers of {self.app}; name "
                f"another one, such as `deployers: {{user: deploy-{self.app}}}`"
            )
        return None

    @property
    def _comment(self) -> str:
        return f"deployers of {self.app}"

    def _create(self) -> None:
        # A password that nothing matches; a locked one would keep sshd from letting in even keys, where PAM is off.
        options = ["--system", "--user-group", "--no-create-home", "--password", "*", "--shell", "/bin/sh"]
        system.run(["useradd", *options, "--home-dir", self.home, "--comment", self._comment, "--", self.name])

    def _remove(self) -> None:
        if system.uid(self.name) is not None:
            system.run(["userdel", "--", self.name])
