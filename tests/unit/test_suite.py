"""The suite itself: what could let a promise go untested without anybody noticing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SKIPPED = {
    "test_decorated.py": "import pytest\n@pytest.mark.skipif(True, reason='no nginx')\ndef test_it(): pass",
    "test_within.py": "import pytest\ndef test_it(): pytest.skip('no nginx')",
    "test_whole.py": "import pytest\npytest.skip('no nginx', allow_module_level=True)",
}
_WITHOUT_CASES = "import pytest\n@pytest.mark.parametrize('case', [])\ndef test_it(case): pass"


def _run(folder: Path, tests: dict[str, str], **env: str) -> str:
    """Run tests below the conftest.py and the settings of ours; returns the last line."""
    shutil.copy(ROOT / "tests/conftest.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in tests.items():
        (folder / name).write_text(text)
    kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    argv = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", *tests]
    done = subprocess.run(argv, cwd=folder, env={**kept, **env}, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1]


def test_what_is_skipped_fails_on_ci_and_only_there(tmp_path: Path) -> None:
    assert _run(tmp_path, _SKIPPED, CI="true").startswith("1 failed, 2 errors in")
    assert _run(tmp_path, _SKIPPED).startswith("3 skipped in")


def test_a_test_without_cases_is_an_error(tmp_path: Path) -> None:
    assert _run(tmp_path, {"test_it.py": _WITHOUT_CASES}).startswith("1 error in")


def test_git_ignores_no_file_of_the_checkout() -> None:
    argv = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.check_output(argv, cwd=ROOT, text=True) == "", "a new file beside these would not be committed"
