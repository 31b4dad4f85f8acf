"""The door of an app's folder, through which the user who builds comes while there is something to build."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterator

from ..linux import acl, paths

_ENTRY = struct.Struct("<HHI")
_USER = 0x02


@contextlib.contextmanager
def opened(folder: str, uid: int) -> Iterator[None]:
    """For a `with` block, let a user pass through a folder, without reading it.

    By its access list, and not by the app's group, which could read the app's environment and data.
    """
    with paths.folder(folder) as held, held.readable() as handle:
        entries = [entry for entry in _entries(handle) if entry[::2] != (_USER, uid)]
        acl.write(handle, _packed([*entries, (_USER, 1, uid)]), folder)
        try:
            yield
        finally:
            acl.write(handle, _packed(entries), folder)


def _entries(folder: int) -> list[tuple[int, int, int]]:
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    found = acl.read(folder) or acl.passable(mode, [])
    return [_ENTRY.unpack_from(found, at) for at in range(4, len(found), _ENTRY.size)]


def _packed(entries: list[tuple[int, int, int]]) -> bytes:
    # In the order in which the kernel wants them: by kind, users by id.
    found = sorted(entries, key=lambda entry: (entry[0], entry[2]))
    return struct.pack("<I", 2) + b"".join(_ENTRY.pack(*entry) for entry in found)
