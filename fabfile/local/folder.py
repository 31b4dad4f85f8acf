"""The project's private folder `.hostsmith/` on this machine, ignored by git."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..contract.base import ResourceError
from ..errors import SettingsError
from ..hostkit.linux import filesystem

NAME = ".hostsmith"


def folder(project: Path) -> Path:
    """Return the folder of a project, made if missing.

    :raises SettingsError: it cannot be made.
    """
    path = project / NAME
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        if not (path / ".gitignore").exists():
            (path / ".gitignore").write_text("*\n")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}, expected a folder that can be written") from None
    return path


def kept(path: Path) -> dict[str, str]:
    """Read the texts of a file by their names; empty without the file.

    :raises SettingsError: the file is damaged.
    """
    try:
        found = json.loads(path.read_text())
        if all(isinstance(text, str) for text in found.values()):
            return dict(found)
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        pass
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    raise SettingsError(f"{path}: found invalid content; remove the file and it is generated again")


def keep(path: Path, texts: Mapping[str, str]) -> None:
    """Write texts to a file that only its owner can read.

    :raises SettingsError: it cannot be written.
    """
    try:
        filesystem.write_atomic(str(path), (json.dumps(dict(texts), indent=1) + "\n").encode(), mode=0o600)
    except ResourceError as error:
        raise SettingsError(str(error)) from None
