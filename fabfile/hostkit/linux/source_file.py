"""Files of a release's code that root reads, and may quote: whoever may only deploy must not read the host by them."""

from __future__ import annotations

import os
import stat

from ...contract.base import ResourceError

# No lock is as large; what is has another purpose.
LARGEST = 32 << 20


def read(code: str, path: str) -> bytes | None:
    """A file's content; None when there is no such file.

    :param path: relative to the code, or absolute.
    :raises ResourceError: it is not a file of the code, or no file, or too large to be one that people write.
    """
    name = os.path.relpath(path, code) if os.path.isabs(path) else path
    try:
        root, real = os.path.realpath(code), os.path.realpath(os.path.join(code, path))
        # Touches nothing yet: what is there may be a device, or have been exchanged by a build since it was looked up.
        handle = os.open(real, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        if not _is_inside(root, real):
            raise _leads_out(name, real) from None
        return None
    except (OSError, ValueError) as error:
        raise ResourceError(f"{name!r} of the source: {getattr(error, 'strerror', error)}") from error
    try:
        return _content(root, name, handle)
    finally:
        os.close(handle)


def _content(root: str, name: str, handle: int) -> bytes:
    opened = f"/proc/self/fd/{handle}"
    # Where the kernel says that it is, and not where its path led a moment ago.
    there, status = os.readlink(opened), os.fstat(handle)
    if not _is_inside(root, there):
        raise _leads_out(name, there)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise ResourceError(f"{name} of the source is not a file of its own; commit one, or name another")
    with open(opened, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ResourceError(f"{name} of the source is larger than {LARGEST >> 20} MB, expected a file for people")
    return content


def _is_inside(root: str, path: str) -> bool:
    return os.path.commonpath([root, path]) == root


def _leads_out(name: str, to: str) -> ResourceError:
    return ResourceError(f"{name} of the source leads out of it, to {to}; commit the file itself")
