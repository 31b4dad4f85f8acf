"""Files of the 18 resources, the same for all tools."""

from __future__ import annotations

import shutil
from pathlib import Path

from .base import WORK


def create(folder: Path) -> None:
    """Put a copy of the files in a folder."""
    shutil.copytree(WORK / "provision", folder, dirs_exist_ok=True)


def number(folder: Path, number: int) -> None:
    """Write `# <number>` to the first line of the site's template."""
    template = folder / "site.j2"
    _, _, rest = template.read_text().partition("\n")
    template.write_text(f"# {number}\n{rest}")
