"""Tools in virtualenvs, installed by pip and kept for the next benchmark."""

from __future__ import annotations

import shutil
import subprocess
import venv
from pathlib import Path

from .base import HERE

_FOLDER = HERE.parent / "build" / "bench" / "tools"  # `make clean` takes it away


def installed(requirement: str) -> Path:
    """Install a tool unless it is there; returns the folder of its commands."""
    folder = _FOLDER / requirement
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _install(folder, requirement)
        complete.touch()
    return folder / "bin"


def checked_out(project: Path) -> Path:
    """Install a project's folder as users get it, not editable; returns the folder of its commands."""
    folder = _FOLDER / project.name
    _install(folder, str(project))
    return folder / "bin"


def _install(folder: Path, what: str) -> None:
    """Run pip: it keeps what is installed and sufficient; a folder is always installed again."""
    if not folder.exists():
        venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, what], check=True)
