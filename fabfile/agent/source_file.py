"""Files of a release's code that root reads, and may quote: whoever may only deploy must not read the host by them."""

from __future__ import annotations

import os
import stat

from ..resources.base import ResourceError

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
        if os.path.commonpath([root, real]) != root:
            raise ResourceError(f"{name} of the source leads out of it, to {real}; commit the file itself")
        # What there is stays: nobody but root can write there.
        handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ResourceError(f"{name!r} of the source: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ResourceError(f"{name} of the source is not a file; commit one, or name another")
    with os.fdopen(handle, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ResourceError(f"{name} of the source is larger than {LARGEST >> 20} MB, expected a file for people")
    return content
