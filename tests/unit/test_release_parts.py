"""The parts of a release before it is live: what is taken back with it, what stays, and what the next one clears."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hostsmith.hostkit.app.layout import Record
from hostsmith.hostkit.programs.git import Repository
from hostsmith.resources.release import release as module
from hostsmith.resources.release.release import Pruned, ReleaseCode, ReleaseRecord
from local_host import LocalHost, tree
from one_host import NEW, OLD, Here, OneHost

NEXT = "20261122-101500-3f3c2ab"


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OneHost:
    folder = tmp_path / "srv"
    folder.mkdir()
    one = OneHost(folder, monkeypatch)
    monkeypatch.setattr(module, "Layout", lambda app: Here(app, str(folder)))
    (folder / "blog/venvs").mkdir()
    return one


@pytest.fixture
def code(tmp_path: Path) -> tuple[str, bytes]:
    """A commit, and the pack that brings it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text("x = 1\n")

    def git(*arguments: str, stdin: bytes = b"") -> bytes:
        who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
        argv = ["git", "-C", str(folder), *who, *arguments]
        return subprocess.run(argv, input=stdin, check=True, capture_output=True).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    commit = git("rev-parse", "HEAD").decode().strip()
    return commit, git("pack-objects", "--revs", "--stdout", "--quiet", stdin=commit.encode())


def test_the_code_of_a_pack_is_written_out_and_kept_for_the_release(
    host: LocalHost, one: OneHost, code: tuple[str, bytes]
) -> None:
    commit, pack = code
    assert host.converge(ReleaseCode("blog", NEW, commit, pack=pack)).summary == "checked out"
    assert Path(one.layout.release(NEW), "code/app.py").read_text() == "x = 1\n"
    assert not Path(one.layout.release(NEW), "code/.git").exists()
    assert Repository(one.layout.repository).kept(NEW) == commit
    assert host.converge(ReleaseCode("blog", NEW, commit, pack=pack)).states == ["ok"]


def test_what_is_taken_back_leaves_a_repository_that_still_works(
    host: LocalHost, one: OneHost, code: tuple[str, bytes]
) -> None:
    """A ref to what went with its pack would fail each fetch and each listing."""
    commit, pack = code
    repository = Repository(one.layout.repository)
    host.undo(ReleaseCode("blog", NEW, commit, pack=pack))
    assert not Path(one.layout.release(NEW), "code").exists()
    assert (repository.packs(), repository.objects()) == (set(), [])
    subprocess.run(["git", f"--git-dir={repository.path}", "fsck", "--strict"], check=True, capture_output=True)
    assert host.converge(ReleaseCode("blog", NEW, commit, pack=pack)).ok
    assert repository.objects() == [commit]


def test_what_was_fetched_stays_for_the_next_release(
    host: LocalHost, one: OneHost, code: tuple[str, bytes], tmp_path: Path
) -> None:
    commit, _ = code
    repository = Repository(one.layout.repository)
    host.undo(ReleaseCode("blog", NEW, commit, f"file://{tmp_path}/project"))
    assert repository.objects() == []
    assert repository.has(f"{commit}^{{commit}}"), "its branch is still there"
    subprocess.run(["git", f"--git-dir={repository.path}", "fsck", "--strict"], check=True, capture_output=True)


def test_what_another_release_is_made_of_stays_when_one_is_taken_back(
    host: LocalHost, one: OneHost, code: tuple[str, bytes]
) -> None:
    commit, pack = code
    repository = Repository(one.layout.repository)
    host.converge(ReleaseCode("blog", OLD, commit, pack=pack))
    before = repository.packs()
    host.undo(ReleaseCode("blog", NEW, commit))
    assert (repository.packs(), repository.objects()) == (before, [commit])


def test_a_new_release_clears_away_what_was_half_built_and_not_what_is_live(host: LocalHost, one: OneHost) -> None:
    one.layout.mark(OLD, "building")
    outcome = host.converge(ReleaseRecord("blog", Record(NEXT)))
    assert outcome.notes == [f"removed incomplete releases: {NEW}"]
    assert [record.id for record in one.layout.records()] == [OLD, NEXT]
    assert one.running == [OLD]


def test_a_record_that_is_taken_back_leaves_nothing(host: LocalHost, one: OneHost) -> None:
    before = tree(Path(one.layout.releases))
    one.layout.mark(NEW, "proven")
    host.undo(ReleaseRecord("blog", Record(NEXT)))
    one.layout.mark(NEW, "building")
    assert tree(Path(one.layout.releases)) == before


class TestPruned:
    """What goes, and what goes with it."""

    @pytest.fixture(autouse=True)
    def _logs(self, one: OneHost) -> None:
        for name in (OLD, NEW, NEXT):
            Path(one.layout.logs, f"web-{name}.log").touch()
            Path(one.layout.logs, f"web-{name}.log.1").touch()
            Path(one.layout.venvs, name).mkdir()
            one.supervisord.states[one.layout.group(name)] = "RUNNING"
            if name == NEXT:
                one.add(name)
            one.layout.mark(name, "proven")
            link = Path(one.layout.release(name), "venv")
            (link / "bin/python").unlink()
            (link / "bin").rmdir()
            link.rmdir()
            link.symlink_to(f"../../venvs/{name}")

    def test_all_of_a_release_goes_and_nothing_of_the_others(self, host: LocalHost, one: OneHost) -> None:
        Path(one.layout.current).unlink()
        one.point(NEXT)
        assert host.converge(Pruned("blog", 2)).summary == f"pruned {OLD}"
        assert [record.id for record in one.layout.records()] == [NEW, NEXT]
        assert one.running == [NEW, NEXT]
        left = [path.name for folder in (one.layout.logs, one.layout.venvs) for path in Path(folder).iterdir()]
        assert len(left) == 6
        assert not [name for name in left if OLD in name]

    def test_the_live_one_stays_however_old_it_is(self, host: LocalHost, one: OneHost) -> None:
        assert host.converge(Pruned("blog", 1)).summary == f"pruned {NEW}, {NEXT}"
        assert (one.layout.live(), one.running) == (OLD, [OLD])
        assert Path(one.layout.venvs, OLD).is_dir()
