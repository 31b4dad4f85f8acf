"""uv workspaces above a source that is a part of one: what they say of its dependencies is not sent with it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .agent.requirements import LOCKS, ORDER, PYPROJECT
from .errors import SourceError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def require_whole(folder: Path, requirements: Sequence[str] | None) -> None:
    """See that nothing above a folder says where its dependencies come from, unless a lock in it does.

    :param requirements: the files that the settings name; None for what is there.
    :raises SourceError: something does, and packages of the same names would be installed from the index.
    """
    there = [name for name in ORDER if (folder / name).exists() and (folder / LOCKS.get(name, "")).exists()]
    if PYPROJECT not in (there[:1] if requirements is None else requirements):
        return
    here = folder.resolve()
    while not (here / ".git").exists() and here != here.parent:
        here = here.parent
        workspace = _of_uv(here / PYPROJECT)
        if "workspace" in workspace and workspace.keys() & {"sources", "index"}:
            raise SourceError(
                f"source: {folder} is in the uv workspace of {here / PYPROJECT}, which says where its dependencies "
                "come from, and is not sent with it: packages of the same names would be taken from the index. Set "
                f"`source` to {here}, or `requirements` to a file that `uv export` has written into {folder}"
            )


def _of_uv(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))["tool"]["uv"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
