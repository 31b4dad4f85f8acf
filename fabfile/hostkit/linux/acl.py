"""Access lists of folders (acl(5)): users who may pass through."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable

from ...contract.base import ResourceError

# The kernel's own form of a list, in linux/posix_acl_xattr.h: a version, then tag, permissions and id of each entry.
_ATTRIBUTE = "system.posix_acl_access"
_VERSION = 2
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_PASS = 1


def passable(mode: int, uids: Iterable[int]) -> bytes:
    """Return the access list of a folder with a mode, through which some users may pass without reading it."""
    owner, group, other = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    users = [(_USER, _PASS, uid) for uid in sorted(uids)]
    entries = [(_USER_OBJ, owner, _NO_ID), *users, (_GROUP_OBJ, group, _NO_ID)]
    entries += [(_MASK, group | _PASS, _NO_ID), (_OTHER, other, _NO_ID)]
    return struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def read(handle: int) -> bytes | None:
    """Read the access list of an open folder; None when it has none beyond its mode."""
    try:
        return os.getxattr(handle, _ATTRIBUTE)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return None
        raise


def write(handle: int, acl: bytes | None, path: str) -> None:
    """Set the access list of an open folder, or remove it.

    :param path: of the folder, for people.
    :raises ResourceError: its file system does not support access lists.
    """
    try:
        if acl is not None:
            os.setxattr(handle, _ATTRIBUTE, acl)
        else:
            os.removexattr(handle, _ATTRIBUTE)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return
        if error.errno == errno.EOPNOTSUPP:
            raise ResourceError(
                f"{path}: its file system does not support access lists; mount it with them (the option `acl`, or on "
                "ZFS `acltype=posixacl`)"
            ) from None
        raise
