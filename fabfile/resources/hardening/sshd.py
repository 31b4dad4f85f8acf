"""sshd's doors: the options that hold whatever other files say, and whether root may log in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...contract.base import Change, Resource, ResourceError
from ...hostkit.linux import filesystem, sshd, system
from ...hostkit.linux.login import login
from ..file import File
from ..proven import Proven

_STRICT = ("no", "forced-commands-only")
# What `sudo -l` says of somebody who may do anything as root.
_ALL = re.compile(r"^\s*\((ALL|root)( : ALL)?\) (NOPASSWD: |PASSWD: |SETENV: )*ALL$", re.MULTILINE)


@dataclass(frozen=True)
class Sshd(Proven):
    """Files of sshd's that it must go by: with each option, the first file that names it wins.

    :param heeds: what `sshd -T` must say then, by option in lower case.
    :param denies: users, and patterns of them, whom it must let in by no means.
    """

    heeds: dict[str, str] = field(default_factory=dict)
    denies: tuple[str, ...] = ()

    def check(self) -> Change | None:
        change = super().check()
        if change is None:
            self._require_heeded()
        return change

    def verify(self) -> None:
        sshd.forget()
        self._require_heeded()
        super().verify()

    def _put_back(self, change: Change) -> None:
        sshd.forget()
        super()._put_back(change)

    def _require_heeded(self) -> None:
        found = sshd.effective()
        for option, wanted in self.heeds.items():
            if found.get(option) != [wanted]:
                value = ", ".join(found.get(option, [])) or "nothing"
                raise ResourceError(
                    f"sshd does not go by {self.resources[1].describe()}: found {option} {value}, expected {wanted}. "
                    "The first line that names an option wins: let /etc/ssh/sshd_config begin with "
                    "`Include /etc/ssh/sshd_config.d/*.conf`, and see that no earlier file names it; "
                    "or leave SSH alone with `hardening: {ssh: false}`"
                )
        if missing := [user for user in self.denies if user not in found.get("denyusers", [])]:
            raise ResourceError(
                f"sshd does not go by {self.resources[0].describe()}, so whoever takes over an app could log in as its "
                "user: let /etc/ssh/sshd_config begin with `Include /etc/ssh/sshd_config.d/*.conf`, or write "
                f"`DenyUsers {' '.join(missing)}` into it"
            )


@dataclass(frozen=True)
class RootLogin(Resource):
    """Whether root may log in: by key only, or not at all once somebody else has come in who may do all that root may.

    What is stricter already stays.

    :param path: the file that says so.
    :param needed: whether root logs in to some host by the settings, and so may, whoever else has come in.
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
    told = system.run(["sudo", "-n", "-l", "-U", user], ok=range(256)).stdout.decode("utf-8", "replace")
    return _ALL.search(told) is not None


@dataclass(frozen=True)
class SshPorts(Resource):
    """A file that names the ports of SSH, which the host knows.

    :param text: its content, with `%PORTS%` where they come, separated by commas.
    """

    path: str
    text: str

    def describe(self) -> str:
        return f"file {self.path}"

    def check(self) -> Change | None:
        ports = ", ".join(str(port) for port in sshd.ports())
        return File(self.path, self.text.replace("%PORTS%", ports), mode=0o644).check()
