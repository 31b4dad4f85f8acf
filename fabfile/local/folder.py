"""What hostsmith keeps of a project on this machine, in `.hostsmith/`: nobody else's to read, and not for git."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..contract.base import ResourceError
from ..errors import SettingsError
from ..hostkit.linux import filesystem

NAME = ".hostsmith"


def folder(project: Path) -> Path:
    """The folder of a project, made when it is not there.

    :raises SettingsError: it cannot be.
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
    """The texts that are kept in a file, by their names; none when there is no such file.

    :raises SettingsError: it is not as we wrote it.
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
    raise SettingsError(f"{path}: found something else than what was kept there; remove it, and it is made anew")


def keep(path: Path, texts: Mapping[str, str]) -> None:
    """Keep texts in a file that only its owner can read.

    :raises SettingsError: it cannot be written.
    """
    try:
        filesystem.write_atomic(str(path), (json.dumps(dict(texts), indent=1) + "\n").encode(), mode=0o600)
    except ResourceError as error:
        raise SettingsError(str(error)) from None
