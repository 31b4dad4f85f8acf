"""The app to deploy: a git repository for each tool, and its page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .base import WORK

# Versions that are on PyPI: so many deploys can ask for one that no host has ever fetched.
_CERTIFI = (WORK / "certifi.txt").read_text().split()


def page(number: int, requirements: int = 0) -> str:
    """Return the page of a live revision."""
    return f"revision {number} with certifi {_certifi(requirements)}\n"


def create(repository: Path) -> None:
    """Make the repository, with the app in it but no commit yet."""
    shutil.copytree(WORK / "app", repository, dirs_exist_ok=True)
    _git(repository, "init", "-q", "-b", "main")


def commit(repository: Path, number: int, requirements: int) -> None:
    """Commit a revision and everything else in the folder."""
    (repository / "revision.py").write_text(f"NUMBER = {number}\n")
    text = f"flask>=3,<4\ngunicorn>=23,<27\ncertifi=={_certifi(requirements)}\n"
    (repository / "requirements.txt").write_text(text)
    _git(repository, "add", "--all")
    author = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    _git(repository, *author, "commit", "-q", "--allow-empty", "-m", f"Revision {number}")


def _certifi(requirements: int) -> str:
    return _CERTIFI[requirements % len(_CERTIFI)]


def _git(repository: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(repository), *words], check=True)
