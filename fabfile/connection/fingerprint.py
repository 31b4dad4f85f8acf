"""Hash that identifies the code that travels to hosts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def fingerprint(files: Iterable[tuple[str, bytes]]) -> str:
    """Hash files; the same for the same files in a checkout, in a zip file and on another machine.

    :param files: paths and contents.
    """
    found = hashlib.sha256()
    for path, content in sorted(files):
        found.update(b"%s\n%d\n%s" % (path.encode(), len(content), content))
    return found.hexdigest()[:32]
