"""The code to deploy, taken from real repositories and folders, and packed for a host that has some of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hostsmith.deployment.source import LocalSource, Source
from hostsmith.errors import SourceError
from hostsmith.hostkit.programs.git import Repository
from local_host import NASTY, tree


class Repo:
    """A project of somebody who deploys it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
        argv = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, subject: str, **files: str | bytes) -> str:
        for name, content in files.items():
            self.write(name, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")


class Host:
    """The repository of an app on a host."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(str(folder / "host.git"))
        self.repository.create()
        self._folder, self._count = folder, 0

    def receive(self, folder: Path, revision: str = "HEAD", dirty: bool = False) -> tuple[Source, int]:
        """Take a source, send what is missing, and keep it; returns it with the number of objects sent."""
        with LocalSource(folder, revision, dirty) as local:
            pack = local.pack(self.repository.objects())
            self.repository.receive(pack)
            self._count += 1
            self.repository.keep(local.source.name, str(self._count))
            # The number of objects stands after "PACK" and the version (gitformat-pack(5)).
            return local.source, int.from_bytes(pack[8:12], "big")

    def files(self, source: Source) -> dict[str, tuple[str, int, object]]:
        """What a release made of it would hold."""
        folder = self._folder / f"code-{self._count}"
        folder.mkdir()
        self.repository.export(source.name, str(folder))
        return tree(folder)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "the project")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def names(files: dict[str, tuple[str, int, object]]) -> list[str]:
    return [name for name, (kind, _, _) in files.items() if kind != "folder"]


def taken(folder: Path, revision: str = "HEAD", dirty: bool = False) -> Source:
    with LocalSource(folder, revision, dirty) as local:
        return local.source


class TestRevision:
    """A state of the code that is committed."""

    def test_what_is_checked_out(self, repo: Repo) -> None:
        repo.commit("First", app="1")
        commit = repo.commit('Add it\'s "page"\n\nAnd more.', app="2")
        found = taken(repo.folder)
        assert (found.revision, found.subject) == (commit, 'Add it\'s "page"')
        assert found.name == repo.git("rev-parse", "HEAD^{tree}")
        assert found.short == commit[:7]

    def test_a_branch_a_tag_or_a_commit_whatever_is_checked_out(self, repo: Repo) -> None:
        first = repo.commit("First", app="1")
        repo.git("tag", "--annotate", "-m", "x", "v1")
        repo.git("branch", "topic/it's")
        repo.commit("Second", app="2")
        repo.write("app", "not committed")
        for revision in (first, first[:10], "v1", "topic/it's", "HEAD~1", "main~1"):
            assert taken(repo.folder, revision).revision == first, revision

    def test_an_unknown_one_is_refused_by_name(self, repo: Repo) -> None:
        repo.commit("First", app="1")
        for revision in ("nope", "--help", "0" * 40, ""):
            with pytest.raises(SourceError, match=f"there is no revision '{revision}' in .*the project; `git log"):
                taken(repo.folder, revision)

    def test_an_unborn_branch_says_to_commit_first(self, repo: Repo) -> None:
        with pytest.raises(SourceError, match="is in a git repository without a commit; commit first"):
            taken(repo.folder)
        repo.write("app", "1")
        with pytest.raises(SourceError, match="has changes that are not committed"):
            taken(repo.folder)
        with pytest.raises(SourceError, match="is in a git repository without a commit"):
            taken(repo.folder, dirty=True)

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="nowhere is not a folder"):
            taken(tmp_path / "nowhere")


class TestDirty:
    """What is not committed."""

    @pytest.mark.parametrize("how", ["changed", "new", "deleted", "staged", "renamed"])
    def test_is_refused_with_the_files_and_the_way_out(self, repo: Repo, how: str) -> None:
        repo.commit("First", app="1", other="x")
        if how in ("changed", "staged"):
            repo.write("app", "2")
        if how == "new":
            repo.write("new", "2")
        if how == "deleted":
            (repo.folder / "app").unlink()
        if how == "renamed":
            repo.git("mv", "app", "new")
        if how == "staged":
            repo.git("add", "app")
        with pytest.raises(SourceError, match="has changes that are not committed") as caught:
            taken(repo.folder)
        assert ("new" if how in ("new", "renamed") else "app") in str(caught.value)
        assert "--dirty" in str(caught.value)

    def test_many_files_are_not_all_listed(self, repo: Repo) -> None:
        repo.commit("First", app="1")
        for number in range(25):
            repo.write(f"new-{number:02}", "")
        with pytest.raises(SourceError, match="and 15 more") as caught:
            taken(repo.folder)
        assert "new-09" in str(caught.value)
        assert "new-10" not in str(caught.value)

    def test_is_taken_when_asked_for_and_the_repository_stays_as_it_was(self, repo: Repo, host: Host) -> None:
        commit = repo.commit("First", app="1", gone="x", ignored="")
        repo.commit("Ignore", **{".gitignore": "*.log\n"})
        commit = repo.git("rev-parse", "HEAD")
        repo.write("app", "changed")
        repo.write("new", "new")
        repo.write("debug.log", "ignored")
        repo.write("staged", "in the index only, then changed")
        repo.git("add", "staged")
        repo.write("staged", "as it lies here")
        (repo.folder / "gone").unlink()
        before = repo.git("status", "--porcelain"), repo.git("ls-files", "--stage")
        source, _ = host.receive(repo.folder, dirty=True)
        assert source.revision == f"{commit}+dirty"
        assert source.short == f"{commit[:7]}-dirty"
        files = host.files(source)
        assert names(files) == [".gitignore", "app", "ignored", "new", "staged"]
        assert files["app"][2] == b"changed"
        assert files["staged"][2] == b"as it lies here"
        assert (repo.git("status", "--porcelain"), repo.git("ls-files", "--stage")) == before

    def test_a_clean_tree_is_a_revision_also_when_it_might_be_dirty(self, repo: Repo) -> None:
        commit = repo.commit("First", app="1")
        assert taken(repo.folder, dirty=True).revision == commit

    def test_with_a_revision_it_is_refused_since_only_one_of_both_can_be_meant(self, repo: Repo) -> None:
        repo.commit("First", app="1")
        repo.git("tag", "v1")
        repo.write("app", "changed")
        with pytest.raises(SourceError, match="--dirty"):
            taken(repo.folder, "v1", dirty=True)


class TestSubfolder:
    """A project that is part of a larger repository."""

    def test_only_its_own_files_are_sent_and_only_its_own_changes_count(self, repo: Repo, host: Host) -> None:
        commit = repo.commit("All", **{"web site/app": "1", "web site/lib/x": "x", "secret": "elsewhere"})
        repo.write("secret", "changed elsewhere")
        source, _ = host.receive(repo.folder / "web site")
        assert source.revision == commit
        assert names(host.files(source)) == ["app", "lib/x"]

    def test_as_it_is(self, repo: Repo, host: Host) -> None:
        repo.commit("All", **{"site/app": "1", "other": "x"})
        repo.write("site/app", "2")
        repo.write("site/new", "n")
        repo.write("other", "changed elsewhere")
        with pytest.raises(SourceError, match="not committed"):
            taken(repo.folder / "site")
        source, _ = host.receive(repo.folder / "site", dirty=True)
        files = host.files(source)
        assert (names(files), files["app"][2]) == (["app", "new"], b"2")

    def test_a_revision_that_has_no_such_folder(self, repo: Repo) -> None:
        first = repo.commit("First", app="1")
        repo.commit("Second", **{"site/app": "1"})
        with pytest.raises(SourceError, match=f"site is not part of revision {first}"):
            taken(repo.folder / "site", first)


class TestPlainFolder:
    """A folder that is in no repository."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "plain folder"
        folder.mkdir()
        (folder / "app").write_text("1")
        (folder / ".gitignore").write_text("*.log\n")
        (folder / "debug.log").write_text("x")
        return folder

    def test_is_taken_as_it_is_and_stays_so(self, folder: Path, host: Host) -> None:
        before = tree(folder)
        source, _ = host.receive(folder)
        assert names(host.files(source)) == [".gitignore", "app"]
        assert (source.revision, source.subject) == (source.name, "a folder that is not in git")
        assert tree(folder) == before

    def test_the_same_files_are_the_same_source(self, folder: Path) -> None:
        first = taken(folder)
        assert taken(folder) == first
        (folder / "app").write_text("2")
        assert taken(folder) != first

    def test_has_no_revisions(self, folder: Path) -> None:
        with pytest.raises(SourceError, match="is not in a git repository, so it has no revision 'main'"):
            taken(folder, "main")

    def test_leaves_nothing_behind(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(scratch))
        with LocalSource(folder, "HEAD", False):
            assert list(scratch.iterdir())
        assert list(scratch.iterdir()) == []
        with pytest.raises(SourceError):
            taken(folder, "main")
        assert list(scratch.iterdir()) == []


class TestPack:
    """What is sent to a host."""

    def test_a_new_host_gets_all_as_it_is_here(self, repo: Repo, host: Host) -> None:
        for name in NASTY.values():
            if name != "caf\udce9":
                repo.write(f"names/{name}", name)
        repo.write("binary", bytes(range(256)) * 100)
        repo.write("empty", "")
        repo.write("tool", "#!/bin/sh\n")
        (repo.folder / "tool").chmod(0o755)
        (repo.folder / "link").symlink_to("tool")
        repo.commit("All")
        source, count = host.receive(repo.folder)
        expected = {name: entry for name, entry in tree(repo.folder).items() if not name.startswith(".git")}
        assert host.files(source) == expected
        assert count == len(NASTY) - 1 + 4 + 2, "files and folders, each once"

    def test_then_only_what_changed(self, repo: Repo, host: Host) -> None:
        repo.commit("First", **{f"folder-{number}/file": os.urandom(5000).hex() for number in range(50)})
        host.receive(repo.folder)
        repo.commit("Second", **{"folder-7/file": "new"})
        source, count = host.receive(repo.folder)
        assert count == 3, "the file, its folder, and the root"
        assert host.files(source)["folder-7/file"][2] == b"new"

    def test_then_nothing_when_nothing_changed_or_an_old_state_returns(self, repo: Repo, host: Host) -> None:
        first = repo.commit("First", app="1")
        host.receive(repo.folder)
        assert host.receive(repo.folder)[1] == 0
        repo.commit("Second", app="2")
        host.receive(repo.folder)
        source, count = host.receive(repo.folder, first)
        assert count == 0
        assert host.files(source)["app"][2] == b"1"

    def test_what_a_host_has_from_elsewhere_is_no_obstacle(self, repo: Repo, host: Host) -> None:
        repo.commit("First", app="1")
        with LocalSource(repo.folder, "HEAD", False) as local:
            host.repository.receive(local.pack(["0" * 40, "f" * 40]))
            assert host.repository.has(local.source.name)

    def test_a_host_that_has_the_commit_needs_nothing(self, repo: Repo, host: Host) -> None:
        """As after a change of `source` from the repository's URL to a clone of it."""
        commit = repo.commit("First", app="1")
        host.repository.fetch(str(repo.folder))
        with LocalSource(repo.folder, "HEAD", False) as local:
            assert int.from_bytes(local.pack([commit])[8:12], "big") == 0
            assert host.repository.has(local.source.name)

    def test_packs_are_put_together_when_they_are_many(self, repo: Repo, host: Host) -> None:
        def packs() -> int:
            return sum(name.endswith(".pack") for name in host.repository.packs())

        sources = []
        for number in range(3):
            repo.commit("Another", app=str(number))
            sources.append(host.receive(repo.folder)[0])
        repo.commit("The last", app="last")
        # However little it brings, a fetch counts as well.
        host.repository.fetch(str(repo.folder))
        assert packs() == 4
        host.repository.tidy(limit=4)
        assert packs() == 4
        host.repository.tidy(limit=3)
        assert packs() == 1
        assert host.files(sources[0])["app"][2] == b"0"

    def test_one_source_serves_many_hosts(self, repo: Repo, tmp_path: Path) -> None:
        repo.commit("First", app="1")
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        old, new = Host(tmp_path / "a"), Host(tmp_path / "b")
        old.receive(repo.folder)
        repo.commit("Second", app="2", more="x")
        with LocalSource(repo.folder, "HEAD", False) as local:
            for host in (old, new):
                host.repository.receive(local.pack(host.repository.objects()))
                assert host.files(local.source)["app"][2] == b"2"


def test_from_a_git_hook_it_is_still_the_folder_that_counts(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git sets GIT_DIR for its hooks, and `fab deploy` in a hook is a common thing."""
    commit = repo.commit("First", app="1")
    other = Repo(tmp_path / "other")
    other.commit("Other", app="x")
    monkeypatch.setenv("GIT_DIR", f"{other.folder}/.git")
    assert taken(repo.folder).revision == commit


def test_the_users_own_git_configuration_changes_nothing(
    repo: Repo, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text(
        "[status]\n short = true\n branch = true\n[core]\n quotePath = false\n[log]\n showSignature = true\n"
        "[color]\n ui = always\n"
    )
    commit = repo.commit("First", app="1")
    monkeypatch.setenv("HOME", str(tmp_path))
    source, _ = host.receive(repo.folder)
    assert (source.revision, source.subject) == (commit, "First")
    repo.write("ünï", "x")
    with pytest.raises(SourceError, match="ünï"):
        taken(repo.folder)
