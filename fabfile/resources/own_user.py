"""Unix user that is created, and marked, for one purpose of one app."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import re
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.linux import filesystem, system

_NOLOGIN = "/usr/sbin/nologin"
_SYSTEM_UIDS = range(1, 1000)


@dataclass(frozen=True)
class OwnUser(Resource):
    """A system user with its own group. An existing user without the mark is never changed.

    :param name: its name.
    :param purpose: its purpose: the mark, which is its comment in /etc/passwd.
    :param home: its home folder, which is not created here.
    :param shell: its login shell.
    :param password: its field in /etc/shadow: "!" locks it; "*" allows keys, where sshd does not use PAM.
    :param rights: its own file of sudoers, if any.
    :param setting: the line of the settings that chooses another name.
    :param evidence: a folder of root's which shows that an earlier version, without marks, created the user.
    """

    name: str
    purpose: str
    home: str
    shell: str = _NOLOGIN
    password: str = "!"  # noqa: S105
    rights: str = ""
    evidence: str = ""
    setting: str = ""

    def describe(self) -> str:
        return f"user {self.name}"

    @property
    def _advice(self) -> str:
        return f"choose another name: `{self.setting}`" if self.setting else "choose another name"

    def check(self) -> Change | None:
        """Never change more than the mark of an existing user: an admin could be locked out."""
        try:
            found = pwd.getpwnam(self.name)
        except KeyError:
            self._require_unknown()
            return Change("created", self._create, self._remove)
        if (found.pw_gecos.split(",")[0], found.pw_dir) == (self.purpose, self.home):
            return None
        if not self._is_of_earlier_version(found):
            raise ResourceError(
                f"the user {self.name} exists on this host, but was not created for the {self.purpose}; "
                f"{self._advice}, or remove it if nobody needs it (`userdel {self.name}`)"
            )
        return Change("marked", lambda: self._mark(self.purpose), lambda: self._mark(found.pw_gecos))

    def _require_unknown(self) -> None:
        """Refuse a name that has rights on the host already, which the new user would get."""
        if system.gid(self.name) is not None:
            raise ResourceError(
                f"the group {self.name} exists on this host, and its rights would be given to the {self.purpose}; "
                f"{self._advice}, or remove it if nobody needs it (`groupdel {self.name}`)"
            )
        for path in ["/etc/sudoers", *sorted(glob.glob("/etc/sudoers.d/*"))]:
            text = (filesystem.read(path) or b"").decode("utf-8", "replace") if os.path.isfile(path) else ""
            if path != self.rights and names_in_sudoers(text) & {self.name, f"%{self.name}"}:
                raise ResourceError(
                    f"{path} gives rights to {self.name}, which would be the {self.purpose}; {self._advice}, or remove "
                    "these rights"
                )

    def _is_of_earlier_version(self, found: pwd.struct_passwd) -> bool:
        groups = [group for group in grp.getgrall() if self.name in group.gr_mem or group.gr_gid == found.pw_gid]
        return (
            bool(self.evidence)
            and os.path.isdir(self.evidence)
            and os.stat(self.evidence).st_uid == 0
            and found.pw_uid in _SYSTEM_UIDS
            and (found.pw_gecos, found.pw_dir, found.pw_shell) == ("", self.home, self.shell)
            and [(group.gr_name, group.gr_mem) for group in groups] == [(self.name, [])]
        )

    def _create(self) -> None:
        options = ["--system", "--user-group", "--no-create-home", "--password", self.password, "--shell", self.shell]
        system.run(["useradd", *options, "--home-dir", self.home, "--comment", self.purpose, "--", self.name])

    def _mark(self, comment: str) -> None:
        system.run(["usermod", "--comment", comment, "--", self.name])

    def _remove(self) -> None:
        if system.uid(self.name) is not None:
            system.run(["userdel", "--", self.name])


def names_in_sudoers(text: str) -> set[str]:
    """Extract the users, and groups with a leading %, that lines of sudoers(5) give rights to."""
    found: set[str] = set()
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\s*(Defaults|(Cmnd|Cmd|Host|Runas)_Alias)\b", line):
            # These lines give no rights.
            continue
        users = re.match(r"\s*User_Alias\s+(.*)", line)
        who = users[1] if users else line.split("#")[0].partition("=")[0]
        found.update(re.split(r"[\s,=:]+", who))
    return found
