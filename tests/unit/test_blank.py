"""A virtualenv that was copied from an empty one: it is one of its own, and knows nothing of the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostsmith.hostkit.build import virtualenv
from hostsmith.hostkit.build.installers import MARKER
from hostsmith.resources import ResourceError


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blank")
    subprocess.run([sys.executable, "-m", "venv", folder / "kept"], check=True)
    (folder / "kept" / MARKER).write_text("whole\n")
    (folder / "copied").mkdir()
    virtualenv.copy_empty(f"{folder}/kept", f"{folder}/copied")
    (folder / "kept").rename(folder / "gone")
    return folder / "copied"


def test_its_programs_run_and_are_its_own(copied: Path) -> None:
    told = subprocess.run([copied / "bin" / "pip", "--version"], capture_output=True, text=True, check=True).stdout
    assert f" from {copied}/lib/" in told
    prefix = subprocess.run([copied / "bin" / "python", "-c", "import sys; print(sys.prefix)"], capture_output=True)
    assert prefix.stdout.decode().strip() == str(copied)


def test_it_names_no_file_of_the_one_that_it_was_copied_from(copied: Path) -> None:
    assert str(copied) in (copied / "bin" / "activate").read_text()
    texts = [file for file in copied.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert [file for file in texts if b"/kept" in file.read_bytes()] == []


def test_it_is_not_said_to_be_whole_before_it_is_filled(copied: Path) -> None:
    assert not (copied / MARKER).exists()


def test_what_cannot_be_copied_is_told_with_the_reason(copied: Path, tmp_path: Path) -> None:
    os.mkfifo(copied / "bin" / "pipe")
    with pytest.raises(ResourceError, match="bin/pipe.* is a named pipe"):
        virtualenv.copy_empty(str(copied), str(tmp_path))
