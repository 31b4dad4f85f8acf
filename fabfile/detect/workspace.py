"""Files above a source that uv would follow, such as a workspace's."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import SourceError
from ..hostkit.build.origins import Document, above, document
from ..hostkit.build.requirements import LOCKS, ORDER, PYPROJECT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def require_whole(folder: Path, requirements: Sequence[str] | None) -> None:
    """Check that nothing above a folder defines its dependencies or their sources, unless the folder has a lock.

    Files above the source are not sent with it, so others would be installed from the index.

    :param requirements: the files of the settings; None for the existing ones.
    :raises SourceError: something above does.
    """
    there = [name for name in ORDER if (folder / name).exists() and (folder / LOCKS.get(name, "")).exists()]
    if PYPROJECT not in (there[:1] if requirements is None else requirements):
        return
    here = part = folder.resolve()
    below = _document(part, PYPROJECT) or Document(PYPROJECT, {})
    while not (here / ".git").exists() and here != here.parent:
        here = here.parent
        relative, has_lock = part.relative_to(here).as_posix(), (here / "uv.lock").exists()
        if found := above(below, relative, functools.partial(_document, here), has_lock):
            raise SourceError(
                f"source: {folder} has a pyproject.toml and no lock, and uv would follow {found} in {here}, which is "
                "not sent with it: other versions, or packages of the same names, would be installed from the index. "
                f"Set `source` to {here}, or `requirements` to a file that `uv export` has written into {folder}"
            )


def _document(folder: Path, name: str) -> Document | None:
    try:
        return document(name, tomllib.loads((folder / name).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
