"""Safe reading of files in a release's code, which is untrusted.

Root reads and may quote them, so they must not lead a deployer to files of the host.
"""

from __future__ import annotations

import os
import stat

from ...contract.base import ResourceError

# No lockfile is as large as this.
LARGEST = 32 << 20


def read(code: str, path: str) -> bytes | None:
    """Read a file; None when it is missing.

    :param path: relative to the code, or absolute.
    :raises ResourceError: it is not a regular file of the code, or too large.
    """
    name = os.path.relpath(path, code) if os.path.isabs(path) else path
    try:
        root, real = os.path.realpath(code), os.path.realpath(os.path.join(code, path))
        # Touches nothing yet: it may be a device, or a build may have replaced it since realpath(3).
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
    # The kernel's path of the descriptor, not where the path led a moment ago.
    there, status = os.readlink(opened), os.fstat(handle)
    if not _is_inside(root, there):
        raise _leads_out(name, there)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise ResourceError(f"{name} of the source is not a regular file; commit one, or name another")
    with open(opened, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ResourceError(f"{name} of the source is larger than {LARGEST >> 20} MB, expected a smaller file")
    return content


def _is_inside(root: str, path: str) -> bool:
    return os.path.commonpath([root, path]) == root


def _leads_out(name: str, to: str) -> ResourceError:
    return ResourceError(f"{name} of the source leads outside it, to {to}; commit the file itself")
