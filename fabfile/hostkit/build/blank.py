"""Empty virtualenvs, as `python -m venv` makes them: copied from one that is kept for each interpreter."""

from __future__ import annotations

import os

from ..linux import filesystem
from .tools import MARKER


def copy(kept: str, path: str) -> None:
    """Make an empty virtualenv out of another.

    It has the same pip, compiled: to put that into each would take most of the time that building one takes.

    :param path: where it will be: an empty folder.
    """
    filesystem.copy_tree(kept, path, without=MARKER)
    # The scripts of a virtualenv hold its path, and so does what tells how it was made.
    for file in [f"{path}/pyvenv.cfg", *(entry.path for entry in os.scandir(f"{path}/bin") if not entry.is_symlink())]:
        with open(file, "r+b") as script:
            text = script.read().replace(kept.encode(), path.encode())
            script.seek(0)
            script.write(text)
            script.truncate()
