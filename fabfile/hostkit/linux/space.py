"""Free space of file systems, for errors of full ones."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from ...contract.base import ResourceError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_WORDS = tuple(os.strerror(number) for number in (*FULL, errno.EROFS))
# Below these, lack of space may be the reason of a program's failure, even if it does not report that, like venv.
_SCARCE_BYTES, _SCARCE_FILES = 8 << 20, 200


def reason(error: OSError, path: str) -> str:
    """Return an error's text, and what to do if the file system is full or read-only."""
    text = error.strerror or str(error)
    return f"{text}; {_left(path)}" if error.errno in FULL or error.errno == errno.EROFS else text


@contextlib.contextmanager
def explained(folder: str) -> Iterator[None]:
    """For a `with` block in which programs write below a folder, add the free space to errors.

    :raises ResourceError: instead of the block's own error or OSError.
    """
    try:
        yield
    except (ResourceError, OSError) as error:
        import tempfile

        text = f"{error.filename or folder}: {error.strerror}" if isinstance(error, OSError) else str(error)
        places = dict.fromkeys((_mount(folder), _mount(tempfile.gettempdir())))
        short = [place for place in places if _is_short(place)]
        if not short and any(word in text for word in _WORDS):
            short = list(places)
        if not short:
            raise
        raise ResourceError("\n".join([text, *map(_left, short)])) from error


def _left(path: str) -> str:
    """Describe a file system's free space, and what to do."""
    place = _mount(path)
    found = os.statvfs(place)
    if found.f_flag & os.ST_RDONLY:
        return (
            f"{place} is mounted read-only; `journalctl -k` may show why, and `mount -o remount,rw {place}` "
            "makes it writable again"
        )
    text = f"{place} has {_mb(found.f_bavail * found.f_frsize)} of {_mb(found.f_blocks * found.f_frsize)} MB free"
    if found.f_files:
        text += f" and room for {found.f_favail} more files (inodes)"
    return f"{text}; remove something, and run the same command again"


def _is_short(place: str) -> bool:
    found = os.statvfs(place)
    few_files = bool(found.f_files) and found.f_favail < _SCARCE_FILES
    return bool(found.f_flag & os.ST_RDONLY) or few_files or found.f_bavail * found.f_frsize < _SCARCE_BYTES


def _mount(path: str) -> str:
    """Return the mount point of a path that may not exist yet."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def mounted_below(folder: str) -> list[str]:
    """List the mount points below a folder."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        # Spaces and the like are octal escapes, see proc(5).
        found = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[4]) for line in table)
        return sorted({path for path in found if path.startswith(f"{os.path.realpath(folder)}/")})


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.0f}"
