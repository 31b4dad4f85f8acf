"""Tools from PyPI, each in a virtualenv of its own, which is kept for the next benchmark."""

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
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, requirement], check=True)
        complete.touch()
    return folder / "bin"
