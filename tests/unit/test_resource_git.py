"""GitCheckout: a working tree at exactly one revision of a repository, here of real ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hostsmith.resources import GitCheckout
from local_host import LocalHost, tree


class Repo:
    """A repository to check out from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("one")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
        argv = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, content: str) -> str:
        (self.folder / "file").write_text(content)
        self.git("add", "file")
        self.git("commit", "--quiet", "--allow-empty", "-m", content)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "the repo")


def test_cloned_then_kept_then_moved_then_moved_back(host: LocalHost, place: Path, repo: Repo) -> None:
    path = place / "app"

    def at(revision: str) -> GitCheckout:
        return GitCheckout(str(path), str(repo.folder), revision)

    assert host.converge(at("main")).summary == "cloned at main"
    assert (path / "file").read_text() == "one"
    assert host.converge(at("main"), at(repo.first), at("HEAD")).states == ["ok", "ok", "ok"]
    second = repo.commit("two")
    assert host.converge(at("main")).summary == f"{repo.first[:12]} -> {second[:12]}"
    assert (path / "file").read_text() == "two"
    assert host.converge(at(repo.first)).states == ["changed"]
    assert (path / "file").read_text() == "one"
    assert [entry.name for entry in place.iterdir()] == ["app"]


def test_a_clone_is_undone(host: LocalHost, place: Path, repo: Repo) -> None:
    host.undo(GitCheckout(f"{place}/app", str(repo.folder), "main"))
    assert tree(place) == {}


def test_a_move_is_undone(host: LocalHost, place: Path, repo: Repo) -> None:
    path = place / "app"
    host.converge(GitCheckout(str(path), str(repo.folder), "main"))
    repo.commit("two")
    host.undo(GitCheckout(str(path), str(repo.folder), "main"))
    assert (path / "file").read_text() == "one"
    assert host.converge(GitCheckout(str(path), str(repo.folder), repo.first)).states == ["ok"]


def test_a_dry_run_touches_nothing(host: LocalHost, place: Path, repo: Repo) -> None:
    assert host.plan(GitCheckout(f"{place}/app", str(repo.folder), "main")).states == ["changed"]
    assert tree(place) == {}
    host.converge(GitCheckout(f"{place}/app", str(repo.folder), "main"))
    repo.commit("two")
    # What git status would like to note in its index, if it might.
    (place / "app/file").touch()
    before = tree(place)
    assert host.plan(GitCheckout(f"{place}/app", str(repo.folder), "main")).states == ["changed"]
    assert tree(place) == before


def test_local_changes_are_dropped_and_files_of_others_stay(host: LocalHost, place: Path, repo: Repo) -> None:
    path = place / "app"
    checkout = GitCheckout(str(path), str(repo.folder), "main")
    host.converge(checkout)
    (path / "file").write_text("edited on the host")
    (path / "upload").write_text("kept")
    assert "local changes dropped" in host.converge(checkout).summary
    assert ((path / "file").read_text(), (path / "upload").read_text()) == ("one", "kept")
    assert host.converge(checkout).states == ["ok"]


def test_tags_name_their_commit_and_win_over_branches_as_in_git(host: LocalHost, place: Path, repo: Repo) -> None:
    repo.git("tag", "light")
    repo.git("tag", "--annotate", "-m", "release", "heavy")
    second = repo.commit("two")
    repo.git("branch", "light")
    for number, (revision, content) in enumerate({"light": "one", "heavy": "one", second: "two"}.items()):
        checkout = GitCheckout(f"{place}/{number}", str(repo.folder), revision)
        assert [host.converge(checkout).states for _ in range(2)] == [["changed"], ["ok"]]
        assert (place / str(number) / "file").read_text() == content


def test_a_branch_is_not_taken_for_another_whose_name_ends_alike(host: LocalHost, place: Path, repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "zed/main")
    repo.commit("of zed")
    repo.git("branch", "release/2")
    host.converge(GitCheckout(f"{place}/app", str(repo.folder), "main"))
    assert (place / "app/file").read_text() == "one"
    outcome = host.converge(GitCheckout(f"{place}/other", str(repo.folder), "2"))
    assert f"there is no revision '2' in {repo.folder}" in outcome.error
    assert list(tree(place / "other")) == []


def test_a_branch_may_become_a_folder_of_branches_and_history_may_be_rewritten(
    host: LocalHost, place: Path, repo: Repo
) -> None:
    repo.git("branch", "next")
    repo.git("tag", "v1")
    host.converge(GitCheckout(f"{place}/app", str(repo.folder), "next"))
    repo.git("branch", "--delete", "next")
    repo.git("commit", "--quiet", "--amend", "-m", "rewritten")
    repo.git("tag", "--force", "v1")
    repo.git("branch", "next/2")
    for revision in ("next/2", "v1", "main"):
        assert host.converge(GitCheckout(f"{place}/app", str(repo.folder), revision)).ok
    assert (place / "app/file").read_text() == "one"


def test_an_unknown_revision_or_repository_leaves_nothing(host: LocalHost, place: Path, repo: Repo) -> None:
    outcome = host.converge(GitCheckout(f"{place}/app", str(repo.folder), "nope"))
    assert f"there is no revision 'nope' in {repo.folder}" in outcome.error
    outcome = host.converge(GitCheckout(f"{place}/app", f"{place}/nowhere", "main"))
    assert f"repository '{place}/nowhere' does not exist" in outcome.error
    assert tree(place) == {}


def test_a_revision_that_goes_away_leaves_what_is_checked_out(host: LocalHost, place: Path, repo: Repo) -> None:
    host.converge(GitCheckout(f"{place}/app", str(repo.folder), "main"))
    for revision in ("nope", "0" * 40):
        assert not host.converge(GitCheckout(f"{place}/app", str(repo.folder), revision)).ok
    assert host.converge(GitCheckout(f"{place}/app", str(repo.folder), "main")).states == ["ok"]


def test_what_a_killed_clone_left_is_cleared(host: LocalHost, place: Path, repo: Repo) -> None:
    (place / "app.cloning/.git").mkdir(parents=True)
    (place / "app.cloning/.git/config").write_text("half")
    assert host.converge(GitCheckout(f"{place}/app/", str(repo.folder), "main")).ok
    assert [entry.name for entry in place.iterdir()] == ["app"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_working_tree_is_refused_and_left(host: LocalHost, place: Path, repo: Repo, kind: str) -> None:
    (place / "app").mkdir() if kind == "folder" else (place / "app").write_text("kept")
    before = tree(place)
    assert "is not a git working tree" in host.converge(GitCheckout(f"{place}/app", str(repo.folder), "main")).error
    assert tree(place) == before


@pytest.mark.parametrize("name", ["two  spaces", "it's", "$(touch pwned)", "ünï☃", "a\\b", "new\nline", "*"])
def test_any_folder_and_branch_name(host: LocalHost, place: Path, repo: Repo, name: str) -> None:
    branch = "it's/$(touch-pwned)/ünï☃;&|"
    repo.git("branch", branch)
    checkout = GitCheckout(f"{place}/{name}", str(repo.folder), branch)
    assert [host.converge(checkout).states for _ in range(2)] == [["changed"], ["ok"]]
    assert [entry.name for entry in place.iterdir()] == [name]
