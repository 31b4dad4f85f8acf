"""sshd's access: effective options, root's login, denied users."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.linux import filesystem, sshd, system
from ...hostkit.linux.login import login
from ..file import File
from ..proven import Proven

_STRICT = ("no", "forced-commands-only")
# The line of `sudo -l` for a user who may do anything as root.
_ALL = re.compile(r"^\s*\((ALL|root)( : ALL)?\) (NOPASSWD: |PASSWD: |SETENV: )*ALL$", re.MULTILINE)


@dataclass(frozen=True)
class Sshd(Proven):
    """Configuration files of sshd that must take effect: for each option, the first file that sets it wins.

    :param effective: values that `sshd -T` must then report, by option in lower case.
    :param denies: users, and patterns of them, who must never log in.
    """

    effective: dict[str, str] = field(default_factory=dict)
    denies: tuple[str, ...] = ()

    def check(self) -> Change | None:
        change = super().check()
        if change is None:
            self._require_effective()
        return change

    def verify(self) -> None:
        sshd.forget()
        self._require_effective()
        super().verify()

    def _put_back(self, change: Change) -> None:
        sshd.forget()
        super()._put_back(change)

    def _require_effective(self) -> None:
        found = sshd.effective()
        for option, wanted in self.effective.items():
            if found.get(option) != [wanted]:
                value = ", ".join(found.get(option, [])) or "nothing"
                raise ResourceError(
                    f"sshd ignores {self.resources[1].describe()}: found {option} {value}, expected {wanted}. The "
                    "first line that sets an option wins: put `Include /etc/ssh/sshd_config.d/*.conf` first in "
                    "/etc/ssh/sshd_config, and remove the option from earlier files; or leave SSH alone with "
                    "`hardening: {ssh: false}`"
                )
        if missing := [user for user in self.denies if user not in found.get("denyusers", [])]:
            raise ResourceError(
                f"sshd ignores {self.resources[0].describe()}, so an attacker who takes over an app could log in as "
                "its user: put `Include /etc/ssh/sshd_config.d/*.conf` first in /etc/ssh/sshd_config, or add "
                f"`DenyUsers {' '.join(missing)}` to it"
            )


@dataclass(frozen=True)
class RootLogin(Resource):
    """Root's login: by key only, or not at all once another user with all of root's rights has logged in.

    A stricter value stays.

    :param path: of the file that sets it.
    :param needed: whether the settings log in as root to some host, so that root's login must stay.
    """

    path: str
    needed: bool = False

    def describe(self) -> str:
        return f"file {self.path}"

    def check(self) -> Change | None:
        return File(self.path, f"PermitRootLogin {self._value()}\n", mode=0o644).check()

    def _value(self) -> str:
        now = sshd.effective().get("permitrootlogin", ["prohibit-password"])[0]
        if now in _STRICT:
            return now
        user = login().user
        shut = not self.needed and user != "root" and _has_key(user) and _may_do_all(user)
        return "no" if shut else "prohibit-password"


def _has_key(user: str) -> bool:
    folder = f"{system.passwd(user).pw_dir}/.ssh"
    return any((filesystem.read(f"{folder}/{name}") or b"").strip() for name in ("authorized_keys", "authorized_keys2"))


def _may_do_all(user: str) -> bool:
    listing = system.run(["sudo", "-n", "-l", "-U", user], ok=range(256)).stdout.decode("utf-8", "replace")
    return _ALL.search(listing) is not None


@dataclass(frozen=True)
class SshPorts(Resource):
    """A file with the host's SSH ports.

    :param text: its content, with `%PORTS%` for the ports, separated by commas.
    """

    path: str
    text: str

    def describe(self) -> str:
        return f"file {self.path}"

    def check(self) -> Change | None:
        ports = ", ".join(str(port) for port in sshd.ports())
        return File(self.path, self.text.replace("%PORTS%", ports), mode=0o644).check()
