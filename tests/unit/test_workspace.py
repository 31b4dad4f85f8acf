"""A source that is a part of a uv workspace: what is above it and is not sent is not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.errors import SourceError
from hostsmith.workspace import require_whole

WORKSPACE = "[tool.uv.workspace]\nmembers = ['apps/*', 'lib']\n[tool.uv.sources]\nlib = { workspace = true }\n"


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """A member of a workspace, in a repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text(WORKSPACE)
    (tmp_path / "apps/web").mkdir(parents=True)
    (tmp_path / "apps/web/pyproject.toml").write_text("[project]\nname = 'web'\ndependencies = ['lib']\n")
    return tmp_path / "apps/web"


def test_a_member_whose_sources_stand_above_it_is_refused_with_what_to_do(member: Path) -> None:
    with pytest.raises(SourceError, match=r"apps/web is in the uv workspace of .*Set `source` to .*`uv export`"):
        require_whole(member, None)
    with pytest.raises(SourceError):
        require_whole(member, ["pyproject.toml"])


@pytest.mark.parametrize("lock", ["uv.lock", "requirements.txt"])
def test_one_that_has_a_lock_of_its_own_is_not(member: Path, lock: str) -> None:
    (member / lock).touch()
    require_whole(member, None)


def test_nor_are_the_workspace_itself_other_requirements_and_what_is_above_the_repository(member: Path) -> None:
    require_whole(member.parent.parent, None)
    require_whole(member, ["requirements/prod.txt"])
    (member / ".git").mkdir()
    require_whole(member, None)
