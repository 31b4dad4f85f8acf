"""Fixtures that several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_host import LocalHost


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for what a test converges, and nothing else."""
    path = tmp_path / "place"
    path.mkdir()
    return path
