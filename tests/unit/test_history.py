"""What lies between two commits of real repositories, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.deployment.source import LocalSource
from hostsmith.hostkit.programs.git import Repository
from hostsmith.hostkit.programs.history import Commit, Difference, between
from test_source import Repo

NOTHING = Difference((), (), ())


def since(folder: Path, old: str, *files: str, revision: str = "HEAD", dirty: bool = False) -> Difference | None:
    with LocalSource(folder, revision, dirty) as local:
        return local.since(old, files)


def subjects(commits: tuple[Commit, ...]) -> list[str]:
    return [commit.subject for commit in commits]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


def test_commits_are_told_newest_first_with_who_and_when(repo: Repo) -> None:
    old = repo.commit("one", a="1")
    two, three = repo.commit("two", a="2"), repo.commit("three: ünïcödé ☃", a="3")
    found = since(repo.folder, old)
    assert found is not None
    assert subjects(found.new) == ["three: ünïcödé ☃", "two"]
    assert [commit.id for commit in found.new] == [three, two]
    assert str(found.new[1]).startswith(f"{two[:7]} 20")
    assert str(found.new[1]).endswith(" Ann: two")
    assert since(repo.folder, three) == NOTHING


def test_a_commit_without_a_change_is_a_commit(repo: Repo) -> None:
    old = repo.commit("one", a="1")
    repo.commit("deploy again")
    found = since(repo.folder, old)
    assert found is not None
    assert subjects(found.new) == ["deploy again"]


def test_what_would_be_taken_back_is_told(repo: Repo) -> None:
    base = repo.commit("one", a="1")
    live = repo.commit("live", a="2")
    back = since(repo.folder, live, revision=base)
    assert back is not None
    assert (back.new, subjects(back.gone)) == ((), ["live"])
    repo.git("checkout", "--quiet", "-b", "other", base)
    repo.commit("other way", b="1")
    aside = since(repo.folder, live)
    assert aside is not None
    assert (subjects(aside.new), subjects(aside.gone)) == (["other way"], ["live"])


@pytest.mark.parametrize("live", ["0" * 40, "", "no such", "-h", "HEAD\nHEAD"])
def test_a_commit_that_is_not_there_is_unknown(repo: Repo, live: str) -> None:
    repo.commit("one", a="1")
    assert since(repo.folder, live) is None


def test_a_folder_of_a_larger_repository_has_only_its_own_commits(repo: Repo) -> None:
    old = repo.commit("one", **{"app/requirements.txt": "flask", "other/requirements.txt": "flask"})
    repo.commit("elsewhere", **{"other/requirements.txt": "django"})
    assert since(repo.folder / "app", old, "requirements.txt") == NOTHING
    repo.commit("here", **{"app/requirements.txt": "flask>1"})
    found = since(repo.folder / "app", old, "requirements.txt")
    assert found is not None
    assert (subjects(found.new), found.files) == (["here"], ("requirements.txt",))


def test_files_are_told_that_differ_and_no_others(repo: Repo) -> None:
    old = repo.commit("one", **{"requirements.txt": "flask", "dévelopment.txt": "pytest"})
    repo.commit("two", **{"dévelopment.txt": "pytest>1", "app.py": ""})
    found = since(repo.folder, old, "requirements.txt", "./dévelopment.txt")
    assert found is not None
    assert found.files == ("./dévelopment.txt",)


def test_what_is_not_committed_is_left_out_on_both_sides(repo: Repo) -> None:
    old = repo.commit("one", a="1")
    repo.commit("two", a="2")
    repo.write("a", "3")
    found = since(repo.folder, f"{old}+dirty", dirty=True)
    assert found is not None
    assert subjects(found.new) == ["two"]


def test_a_folder_that_is_not_in_git_has_no_history(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    assert since(tmp_path, "0" * 40) is None


def test_the_users_own_configuration_of_git_changes_nothing(repo: Repo) -> None:
    old = repo.commit("one", a="1")
    repo.commit("two", a="2")
    plain = since(repo.folder, old)
    for key, value in {
        "log.showSignature": "true",
        "log.follow": "true",
        "log.date": "relative",
        "color.ui": "always",
        "diff.renames": "copies",
        "i18n.logOutputEncoding": "ISO-8859-1",
    }.items():
        repo.git("config", key, value)
    assert since(repo.folder, old) == plain


def test_a_commit_cannot_send_a_terminal_commands() -> None:
    assert str(Commit("1234567890", "2026-01-02", "Ann\x1b]0;x", "a\rb\u202ec")) == "1234567 2026-01-02 Ann?]0;x: a?b?c"


def test_a_host_compares_in_a_bare_repository(repo: Repo, tmp_path: Path) -> None:
    old = repo.commit("one", a="1")
    new = repo.commit("two", a="2")
    bare = Repository(str(tmp_path / "bare.git"))
    bare.fetch(str(repo.folder))
    assert between(bare.git, old, new, ("a",)) == since(repo.folder, old, "a")


def test_a_look_at_a_remote_repository_leaves_the_hosts_own_as_it_is(repo: Repo, tmp_path: Path) -> None:
    old = repo.commit("one", a="1")
    host = Repository(str(tmp_path / "host.git"))
    host.fetch(str(repo.folder))
    new = repo.commit("two", a="2")
    with host.fetched_aside(str(repo.folder)) as aside:
        assert aside.resolve("HEAD") == aside.resolve("main") == new
        found = between(aside.git, old, new, ())
        assert found is not None
        assert subjects(found.new) == ["two"]
    assert host.resolve("main") == old
    assert not host.has(new)
    assert not Path(aside.path).exists()


def test_a_look_needs_no_repository_on_the_host(repo: Repo, tmp_path: Path) -> None:
    new = repo.commit("one", a="1")
    with Repository(str(tmp_path / "none.git")).fetched_aside(str(repo.folder)) as aside:
        assert aside.resolve("HEAD") == new
    assert not (tmp_path / "none.git").exists()
