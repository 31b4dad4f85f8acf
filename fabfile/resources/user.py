"""Unix user with its groups and SSH keys."""

from __future__ import annotations

import contextlib
import grp
import pwd
from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.linux import folders, system
from .directory import Directory
from .file import File


@dataclass(frozen=True)
class User(Resource):
    """A Unix user with a group of the same name.

    :param system: whether it is a system user: no password, no ageing, a low number.
    :param home: home folder; None: /home/<name>, or / for a system user. It is not created for a system user.
    :param shell: login shell; None keeps the existing one; a new user gets /bin/bash, a system user nologin.
    :param groups: additional groups; it stays in groups beyond these.
    :param authorized_keys: the only public keys that may log in as it, one a line as in OpenSSH's file; None leaves
        the file alone.
    """

    name: str
    system: bool = False
    home: str | None = None
    shell: str | None = None
    groups: tuple[str, ...] = ()
    authorized_keys: tuple[str, ...] | None = None

    def describe(self) -> str:
        return f"user {self.name}"

    def check(self) -> Change | None:
        try:
            entry = pwd.getpwnam(self.name)
        except KeyError:
            return Change("created", self._create, self._remove)
        modify = self._modifications(entry)
        keys = self._keys(entry.pw_dir)
        keys_change = keys.check() if keys else None
        summaries = [text for text, _ in modify] + (["authorized keys"] if keys_change else [])
        if not summaries:
            return None

        def apply() -> None:
            if modify:
                options = [word for _, words in modify for word in words]
                system.run(["usermod", *options, "--", self.name])
            self._write_keys()

        groups = ",".join(sorted(_supplementary(entry)))

        def undo() -> None:
            back = ["--home", entry.pw_dir, "--shell", entry.pw_shell, "--groups", groups]
            system.run(["usermod", *back, "--", self.name])
            if keys_change and keys_change.undo:
                keys_change.undo()

        return Change(", ".join(summaries), apply, undo, keys_change.diff if keys_change else "")

    def _create(self) -> None:
        default_shell = "/usr/sbin/nologin" if self.system else "/bin/bash"
        options = ["--shell", self.shell or default_shell]
        options += ["--user-group"] if system.gid(self.name) is None else ["--gid", self.name]
        options += ["--system", "--no-create-home"] if self.system else ["--create-home"]
        options += ["--home-dir", self.home or ("/" if self.system else f"/home/{self.name}")]
        if self.groups:
            options += ["--groups", ",".join(self.groups)]
        system.run(["useradd", *options, "--", self.name])
        self._write_keys()

    def _remove(self) -> None:
        with contextlib.suppress(KeyError):
            pwd.getpwnam(self.name)
            system.run(["userdel", "--", self.name])

    def _modifications(self, entry: pwd.struct_passwd) -> list[tuple[str, list[str]]]:
        found: list[tuple[str, list[str]]] = []
        if self.home is not None and entry.pw_dir != self.home:
            found.append((f"home {entry.pw_dir} -> {self.home}", ["--home", self.home]))
        if self.shell is not None and entry.pw_shell != self.shell:
            found.append((f"shell {entry.pw_shell} -> {self.shell}", ["--shell", self.shell]))
        missing = [name for name in self.groups if name not in _supplementary(entry)]
        if missing:
            found.append((f"groups + {', '.join(missing)}", ["--append", "--groups", ",".join(missing)]))
        return found

    def _keys(self, home: str) -> File | None:
        if self.authorized_keys is None:
            return None
        for key in self.authorized_keys:
            if "\n" in key.strip() or not key.strip():
                raise ResourceError(f"user {self.name}: each authorized key is one line, found {key!r}")
        text = "".join(f"{key.strip()}\n" for key in self.authorized_keys)
        return File(f"{home}/.ssh/authorized_keys", text, mode=0o600, owner=self.name)

    def _write_keys(self) -> None:
        entry = system.passwd(self.name)
        keys = self._keys(entry.pw_dir)
        if keys is None:
            return
        folder = f"{entry.pw_dir}/.ssh"
        if not folders.exists(folder):
            group = grp.getgrgid(entry.pw_gid).gr_name
            self._make(Directory(folder, mode=0o700, owner=self.name, group=group))
        self._make(keys)

    @staticmethod
    def _make(resource: Resource) -> None:
        change = resource.check()
        if change:
            change.apply()


def _supplementary(entry: pwd.struct_passwd) -> set[str]:
    return {group.gr_name for group in grp.getgrall() if entry.pw_name in group.gr_mem}
