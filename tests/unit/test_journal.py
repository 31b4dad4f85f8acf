"""The journal: whatever ends a run, a group is wholly as it was or wholly as it should be, after a boot or a run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostsmith.contract.interruption import Interrupted, interrupt
from hostsmith.resources import Absent, Directory, File, Secret, Symlink, Validated
from local_host import NASTY, LocalHost, mode, tree
from own_resources import Append, Doubtful, HungUp

# What Python itself announces of all that a run does to the disk, or has a program do (docs: "Audit events table").
MOVES = ("os.rename", "os.remove", "os.symlink", "subprocess.Popen")


def site(place: Path, log: Path, validate: list[str] | None = None) -> Validated:
    """A group with one of each change that a file or a link can undergo."""
    resources = (
        File(f"{place}/changed", "new\n", mode=0o600),
        File(f"{place}/made", Secret("new")),
        Symlink(f"{place}/pointed", "new"),
        Symlink(f"{place}/linked", "new"),
        Absent(f"{place}/gone"),
        Absent(f"{place}/unlinked"),
    )
    return Validated("site", resources, validate or ["true"], notify=Append(str(log)))


@pytest.fixture
def old(place: Path) -> dict[str, tuple[str, int, object]]:
    """What is there before."""
    (place / "changed").write_text("old 100% \\x41\n")
    (place / "changed").chmod(0o640)
    (place / "gone").write_bytes(b" \xff-\n\n")
    (place / "pointed").symlink_to("old 50% place")
    (place / "unlinked").symlink_to("old")
    return tree(place)


def killed(work: Callable[[], object], after: int) -> bool:
    """Do something in a process that is killed when it is about to touch the disk for the n-th time; whether it was."""
    child = os.fork()
    if not child:
        left = after

        def audit(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in MOVES:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_killed_at_any_moment_the_next_run_puts_all_back_or_nothing(
    host: LocalHost, place: Path, tmp_path: Path, old: dict[str, tuple[str, int, object]]
) -> None:
    group, log, kept = site(place, tmp_path / "log"), tmp_path / "log", tmp_path / "kept"
    shutil.copytree(place, kept, symlinks=True)

    def reset() -> None:
        shutil.rmtree(place)
        shutil.copytree(kept, place, symlinks=True)
        log.unlink(missing_ok=True)
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "state").mkdir()

    def run() -> None:
        host.converge(group)

    run()
    new = tree(place)
    reset()
    found = []
    while killed(run, moment := len(found)):
        killed(host.recover, moment % 5)
        host.recover()
        # Temporary files may be left; nothing reads them.
        left = {name: what for name, what in tree(place).items() if not name.startswith(".")}
        assert left in (old, new), f"killed at moment {moment}"
        found.append(left == new)
        assert host.recover().notes == []
        assert host.converge(group).ok
        assert log.exists(), f"killed at moment {moment}, its handler was lost"
        assert host.converge(group).states == ["ok"]
        assert not host.journal
        reset()
    assert found == sorted(found), "from one moment on it stays"
    assert set(found) == {False, True}
    assert len(found) > 15


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="this machine does not boot with systemd")
class TestBoot:
    """What a boot does with the journal, by the program that does it."""

    def boot(self, tmp_path: Path) -> None:
        argv = ["systemd-tmpfiles", "--create", "--remove", "--boot", f"{tmp_path}/state/journal.conf"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stderr == ""

    def killed(self, host: LocalHost, group: Validated) -> None:
        """Have a run end without a word when all but its check is done."""
        child = os.fork()
        if not child:
            host.converge(group)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])

    def test_files_and_links_are_as_they_were_and_the_next_run_has_nothing_to_add(
        self, host: LocalHost, place: Path, tmp_path: Path, old: dict[str, tuple[str, int, object]]
    ) -> None:
        self.killed(host, site(place, tmp_path / "log", ["sh", "-c", "kill -9 $PPID"]))
        assert tree(place) != old
        self.boot(tmp_path)
        assert tree(place) == old
        self.boot(tmp_path)
        assert tree(place) == old
        host.recover()
        assert tree(place) == old

    @pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
    def test_names_and_texts_of_any_kind(self, host: LocalHost, place: Path, tmp_path: Path, name: str) -> None:
        data = "\n".join(NASTY.values()).encode("utf-8", "surrogateescape")
        (place / name[:200]).write_bytes(data)
        (place / "bystander").write_text("x")
        files = (File(f"{place}/{name[:200]}", "new"), File(f"{place}/-{name[:200]}", "new"))
        before = tree(place)
        self.killed(host, Validated("names", files, ["sh", "-c", "kill -9 $PPID"]))
        self.boot(tmp_path)
        if {'"', "\\", "\n"} & set(name) or not name.isascii():
            # What tmpfiles.d cannot say is the next run's work.
            host.recover()
        assert tree(place) == before

    def test_files_of_any_length_and_content(self, host: LocalHost, place: Path, tmp_path: Path) -> None:
        for length in (0, 1, 3999, 4000, 4001, 4096, 100_000):
            (place / f"text-{length}").write_bytes((b"100 %h \\ $a\n" * 10_000)[:length])
        (place / "zero").write_bytes(b"\0")
        before = tree(place)
        files = tuple(File(f"{place}/{name}", "new") for name in before)
        self.killed(host, Validated("files", files, ["sh", "-c", "kill -9 $PPID"]))
        self.boot(tmp_path)
        assert tree(place) == before

    def test_what_it_cannot_do_the_next_run_does(self, host: LocalHost, place: Path, tmp_path: Path) -> None:
        (place / "large").write_bytes(b"x" * 2_000_000)
        (place / "text").write_text("old")
        before = tree(place)
        files = tuple(File(f"{place}/{name}", "new") for name in before)
        self.killed(host, Validated("files", files, ["sh", "-c", "kill -9 $PPID"]))
        self.boot(tmp_path)
        assert (place / "text").read_text() == "old"
        host.recover()
        assert tree(place) == before


def test_it_is_for_root_alone_and_gone_when_all_is_certain(host: LocalHost, place: Path, tmp_path: Path) -> None:
    (place / "env").write_text("hunter2")
    path = tmp_path / "state/journal.conf"
    look = ["sh", "-c", f"stat -c %a {path} > {tmp_path}/mode"]
    assert host.converge(Validated("env", (File(f"{place}/env", Secret("hunter3")),), look)).ok
    assert (tmp_path / "mode").read_text() == "600\n"
    assert not path.exists()
    assert not host.converge(Validated("env", (File(f"{place}/env", "x"),), ["false"])).ok
    assert not path.exists()
    assert mode(place / "env") == 0o644


def test_what_cannot_be_put_back_is_told_and_stops_nobody(host: LocalHost, place: Path, tmp_path: Path) -> None:
    TestBoot().killed(host, site(place, tmp_path / "log", ["sh", "-c", "kill -9 $PPID"]))
    (place / "made").unlink()
    (place / "made").mkdir()
    notes = host.recover().notes
    assert len(notes) == 4
    assert [note for note in notes if "cannot roll back" in note] == [
        f"cannot roll back a change of an interrupted run: {place}/made: Is a directory"
    ]
    assert not host.journal


def test_it_is_gone_also_when_a_folder_is_made_on_the_way(host: LocalHost, place: Path) -> None:
    folder = place / "new"
    group = Validated("group", (Directory(str(folder)), File(str(folder / "file"), "text")))
    assert host.converge(group).ok
    assert not host.journal
    # Also one that another user could change, where a boot puts nothing back.
    folder.chmod(0o777)
    assert host.converge(Validated("group", (File(str(folder / "file"), "other"),))).ok
    assert not host.journal


def test_an_interruption_waits_until_a_step_is_put_back_and_crossed_out(host: LocalHost, place: Path) -> None:
    host.journal.add([HungUp(f"{place}/first"), HungUp(f"{place}/last")])
    before = signal.signal(signal.SIGHUP, interrupt)
    try:
        for done in ("last", "first"):
            with pytest.raises(Interrupted):
                host.journal.recover()
            assert (place / done).read_text() == "put back"
            assert done not in host.journal.describe()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not host.journal


def test_what_could_not_be_put_back_at_once_is_told_once_and_tried_by_no_later_run(host: LocalHost) -> None:
    outcome = host.converge(Doubtful())
    assert outcome.error == "it stopped half-way\ncould not be undone: it does not go"
    assert not host.journal
    assert host.recover().notes == []
