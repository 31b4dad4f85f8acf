"""A source that is a part of a uv workspace: what is above it and is not sent is not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.detect import detect
from hostsmith.detect.workspace import require_whole
from hostsmith.errors import SourceError

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
    with pytest.raises(
        SourceError, match=r"uv would follow pyproject\.toml \(sources\) in .*Set `source` to .*`uv export`"
    ):
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", ""),
        ("pyproject.toml", "[tool.uv]\nconstraint-dependencies = ['six<2']\n"),
        ("pyproject.toml", "[tool.uv]\noverride-dependencies = ['six<2']\n"),
        ("uv.toml", "index-url = 'https://index.example.org/simple'\n"),
    ],
)
def test_so_is_one_whose_versions_or_indexes_do(member: Path, name: str, text: str) -> None:
    root = member.parent.parent
    (root / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['./apps/*']\n")
    require_whole(member, None)
    with (root / name).open("a") as file:
        file.write(text)
    with pytest.raises(SourceError, match=f"uv would follow {name}"):
        require_whole(member, None)


def test_a_folder_that_is_no_part_of_the_workspace_has_but_its_indexes(member: Path) -> None:
    root = member.parent.parent
    (root / "uv.lock").touch()
    (root / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['apps/*']\nexclude = ['apps/web']\n")
    require_whole(member, None)
    (root / "pyproject.toml").write_text("[[tool.uv.index]]\nurl = 'https://index.example.org/simple'\n")
    with pytest.raises(SourceError, match=r"uv would follow pyproject\.toml \(index\)"):
        require_whole(member, None)
    # uv takes the configuration that is nearest.
    with (member / "pyproject.toml").open("a") as file:
        file.write("[tool.uv]\npackage = false\n")
    require_whole(member, None)


def test_init_says_it_in_the_part_and_takes_the_lock_of_the_whole(member: Path) -> None:
    root = member.parent.parent
    (root / "uv.lock").touch()
    (member / "app").mkdir()
    (member / "app/main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    assert any("uv would follow uv.lock" in remark for remark in detect(member).remarks)
    whole = detect(root)
    assert whole.requirements is not None
    assert whole.requirements.value == "uv.lock"
    assert not any("uv would follow" in remark for remark in whole.remarks)
