"""The app that is deployed, as a git repository of a tool's own, and the page that it serves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .base import WORK

# pip has to fetch each of them once: so many deploys can ask for a version that was never there before.
_CERTIFI = (
    "2026.7.22 2026.6.17 2026.5.20 2026.4.22 2026.2.25 2026.1.4 2025.11.12 2025.10.5 2025.8.3 2025.7.14 2025.7.9 "
    "2025.6.15 2025.4.26 2025.1.31 2024.12.14 2024.8.30 2024.7.4 2024.6.2 2024.2.2 2023.11.17 2023.7.22 2023.5.7 "
    "2022.12.7 2022.9.24 2022.9.14 2022.6.15.2 2022.6.15.1 2022.6.15 2022.5.18.1 2021.10.8 2021.5.30 2020.12.5"
).split()


def page(number: int, requirements: int = 0) -> str:
    """What the site answers when a revision is live."""
    return f"revision {number} with certifi {_certifi(requirements)}\n"


def create(repository: Path) -> None:
    """Make the repository, with the app in it but no commit yet."""
    shutil.copytree(WORK / "app", repository, dirs_exist_ok=True)
    _git(repository, "init", "-q", "-b", "main")


def commit(repository: Path, number: int, requirements: int) -> None:
    """Commit a revision, and all else that lies in the folder."""
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
