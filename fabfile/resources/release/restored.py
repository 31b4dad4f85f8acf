"""Steps of a restore besides loading data: paused processes, exchanged folders."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from dataclasses import dataclass

from ...contract.base import Change, PutBack, Resource, ResourceError
from ...hostkit.app.layout import Layout
from ...hostkit.linux import acl, filesystem, folders, paths, space
from ...hostkit.supervisor import supervisord

# From linux/fcntl.h and linux/fs.h.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True)
class Paused(Resource):
    """An app without running processes, so that none writes to data that is being replaced."""

    app: str

    def describe(self) -> str:
        return f"processes of {self.app}"

    def check(self) -> Change | None:
        layout = Layout(self.app)
        known = {process["group"] for process in supervisord.processes()}
        # Those of earlier releases, too, which may still be finishing their work.
        all_groups = (group for each in layout.records() for group in layout.groups(each.id).items())
        running = {group: config for group, config in all_groups if group in known}
        if not running:
            return None
        live = layout.live()
        undo = Resumed(self.app, tuple(group for group in layout.groups(live) if group in known) if live else ())
        return Change("stopped", lambda: supervisord.stop_groups(running), undo, durable=(undo,))


@dataclass(frozen=True)
class Resumed(PutBack):
    """The restart of the live release's processes; a boot starts them anyway.

    :param groups: supervisor groups of the live release that were running.
    """

    app: str
    groups: tuple[str, ...]

    def describe(self) -> str:
        return f"processes of {self.app}"

    def __call__(self) -> None:
        for group in self.groups:
            if not supervisord.processes(group):
                supervisord.start_group(group)


@dataclass(frozen=True)
class Exchanged(Resource):
    """A folder and another one beside it with exchanged content.

    :param path: of the folder.
    :param fresh: of the other folder.
    """

    path: str
    fresh: str

    def describe(self) -> str:
        return f"folder {self.path}"

    def check(self) -> Change | None:
        found = filesystem.at(self.path)
        if found is None or found.target is not None:
            raise ResourceError(
                f"{self.path} is a link, which the restore would replace with a folder; mount the link's target there "
                f"(`mount --bind`), and not below, or move its content to {self.path}"
            )
        if mounted := space.mounted_below(self.path):
            raise ResourceError(
                f"{', '.join(mounted)} is mounted below {self.path}, and would stay in the replaced folder; "
                "unmount it, restore, and move what was restored there onto it again"
            )
        undo = ExchangedBack(self.path, self.fresh, found.status.st_ino)
        return Change("exchanged", self._exchange, undo, durable=(undo,))

    def _exchange(self) -> None:
        with paths.folder(self.path) as old, old.readable() as before, paths.folder(self.fresh) as new:
            # Keeps the access of others than the app, such as nginx to uploads.
            found, entries = stat.S_IMODE(os.fstat(before).st_mode), acl.read(before)
            with new.readable() as after:
                os.fchmod(after, found)
                acl.write(after, entries, self.fresh)
        exchange(self.path, self.fresh)


@dataclass(frozen=True)
class ExchangedBack(PutBack):
    """The exchange back to the previous folder.

    :param inode: of the previous folder.
    """

    path: str
    fresh: str
    inode: int

    def describe(self) -> str:
        return f"folder {self.path}"

    def __call__(self) -> None:
        if os.path.isdir(self.fresh) and os.stat(self.fresh).st_ino == self.inode:
            exchange(self.path, self.fresh)


def exchange(one: str, other: str) -> None:
    """Swap two folders with one renameat2(2), so that neither is ever missing.

    :raises ResourceError: the file system cannot do that.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        if number in (errno.EBUSY, errno.EXDEV):
            raise ResourceError(f"{one} is where a disk is mounted, which cannot be renamed; mount it elsewhere")
        raise ResourceError(f"{one} and {other} cannot be exchanged: {os.strerror(number)}")
    folders.sync(os.path.dirname(one))
