"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from local_host import LocalHost

# The same cases at every run in `make test`; others each time, and many more, in `make fuzz`.
settings.register_profile("quick", max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("nightly", max_examples=500, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for what a test converges, and nothing else."""
    path = tmp_path / "place"
    path.mkdir()
    return path
