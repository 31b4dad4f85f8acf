"""What tells one version of the code that travels from another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def fingerprint(files: Iterable[tuple[str, bytes]]) -> str:
    """The same for the same files, wherever they are: in a checkout, in a zip file, on another machine.

    :param files: paths and what is in them.
    """
    found = hashlib.sha256()
    for path, content in sorted(files):
        found.update(b"%s\n%d\n%s" % (path.encode(), len(content), content))
    return found.hexdigest()[:32]
