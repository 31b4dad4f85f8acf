"""A Unix user that is made for one purpose of one app, and marked so."""

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
    """A system user with a group of its own. One who is there and is not marked is somebody else, and is left alone.

    :param name: its name.
    :param purpose: what it is made for: the mark, which is its comment in /etc/passwd.
    :param home: its home folder, which is not made here.
    :param shell: its login shell.
    :param password: what /etc/shadow has: "!" locks it; "*" lets keys in, where sshd does not ask PAM.
    :param rights: the file by which sudo knows it, if it is to.
    :param setting: the line of the settings that chooses another name.
    :param evidence: a folder of root's that shows a user without a mark to be of a version that made no marks.
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
        """Never more than a mark for a user who is there: an admin who lost keys and home to it would be locked out."""
        try:
            found = pwd.getpwnam(self.name)
        except KeyError:
            self._require_unknown()
            return Change("created", self._create, self._remove)
        if (found.pw_gecos.split(",")[0], found.pw_dir) == (self.purpose, self.home):
            return None
        if not self._is_of_earlier_version(found):
            raise ResourceError(
                f"there is a user {self.name} on this host who is not made for the {self.purpose}; {self._advice}, or "
                f"remove it if nobody needs it (`userdel {self.name}`)"
            )
        return Change("marked", lambda: self._mark(self.purpose), lambda: self._mark(found.pw_gecos))

    def _require_unknown(self) -> None:
        """That the name is nothing to the host yet, or the new user would be given what is meant for another."""
        if system.gid(self.name) is not None:
            raise ResourceError(
                f"there is a group {self.name} on this host, and what is open to that would be open to the "
                f"{self.purpose}; {self._advice}, or remove it if nobody needs it (`groupdel {self.name}`)"
            )
        for path in ["/etc/sudoers", *sorted(glob.glob("/etc/sudoers.d/*"))]:
            text = (filesystem.read(path) or b"").decode("utf-8", "replace") if os.path.isfile(path) else ""
            if path != self.rights and names_in_sudoers(text) & {self.name, f"%{self.name}"}:
                raise ResourceError(
                    f"{path} gives rights to {self.name}, who would be the {self.purpose}; {self._advice}, or remove "
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
    """The users, and groups with % in front, that lines of sudoers(5) give something to."""
    found: set[str] = set()
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\s*(Defaults|(Cmnd|Cmd|Host|Runas)_Alias)\b", line):
            # It says how, and gives nobody anything.
            continue
        users = re.match(r"\s*User_Alias\s+(.*)", line)
        who = users[1] if users else line.split("#")[0].partition("=")[0]
        found.update(re.split(r"[\s,=:]+", who))
    return found
