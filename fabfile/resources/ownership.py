"""Comparison and change of a path's mode and owner."""

from __future__ import annotations

import os
import stat

from ..contract.base import ResourceError
from ..hostkit.linux import system


def differences(status: os.stat_result, mode: int | None, owner: str | None, group: str | None) -> list[str]:
    """List the differences between a path's status and the desired mode and owners; None means any."""
    found = []
    if mode is not None and stat.S_IMODE(status.st_mode) != mode:
        found.append(f"mode {stat.S_IMODE(status.st_mode):04o} -> {mode:04o}")
    if owner is not None and system.uid(owner) != status.st_uid:
        found.append(f"owner -> {owner}")
    if group is not None and system.gid(group) != status.st_gid:
        found.append(f"group -> {group}")
    return found


def set_owner(handle: int, owner: str | None, group: str | None) -> None:
    """Give an open file or folder to a user and group; None keeps the present one.

    :raises ResourceError: there is no such user or group.
    """
    uid = system.passwd(owner).pw_uid if owner is not None else -1
    gid = system.gid(group) if group is not None else -1
    if gid is None:
        raise ResourceError(f"there is no group {group!r} on this host")
    os.fchown(handle, uid, gid)
