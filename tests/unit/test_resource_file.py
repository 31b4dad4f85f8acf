"""File: content, owner and mode as asked for, whole or not at all, and never a secret shown."""

from __future__ import annotations

import os
import resource as limits
import signal
import threading
from pathlib import Path

import pytest
from hostsmith.contract.interruption import Interrupted, interrupt
from hostsmith.hostkit.linux import filesystem
from hostsmith.resources import File, ResourceError, Secret
from local_host import ME, MY_GROUP, NASTY, LocalHost, mode, tree

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


def test_created_then_kept_then_changed_then_changed_again(host: LocalHost, place: Path) -> None:
    path = place / "motd"
    assert host.converge(File(str(path), "one\n")).states == ["changed"]
    assert path.read_text() == "one\n"
    before = path.stat()
    assert host.converge(File(str(path), "one\n")).states == ["ok"]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for content in ("two\n", "one\n"):
        assert host.converge(File(str(path), content)).summary == "content changed"
        assert path.read_text() == content


def test_a_creation_is_undone(host: LocalHost, place: Path) -> None:
    host.undo(File(str(place / "motd"), "one\n"))
    assert tree(place) == {}


def test_a_change_is_undone_byte_for_byte_and_with_its_mode(host: LocalHost, place: Path) -> None:
    path = place / "motd"
    path.write_bytes(b"\0\xff\r\nold")
    path.chmod(0o751)
    before = tree(place)
    host.undo(File(str(path), "new\n", mode=0o600, owner=ME, group=MY_GROUP))
    assert tree(place) == before


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize(("asked", "expected"), [(None, 0o644), (0o600, 0o600), (0o755, 0o755), (0o444, 0o444)])
def test_the_mode_of_a_new_file_is_as_asked_for_whatever_the_umask(
    host: LocalHost, place: Path, umask: int, asked: int | None, expected: int
) -> None:
    before = os.umask(umask)
    try:
        host.converge(File(str(place / "f"), "text", mode=asked))
    finally:
        os.umask(before)
    assert mode(place / "f") == expected


def test_a_mode_alone_is_changed_and_none_keeps_it(host: LocalHost, place: Path) -> None:
    path = place / "f"
    path.write_text("text")
    path.chmod(0o640)
    assert host.converge(File(str(path), "text")).states == ["ok"]
    assert host.converge(File(str(path), "other")).states == ["changed"]
    assert mode(path) == 0o640
    outcome = host.converge(File(str(path), "other", mode=0o600))
    assert (outcome.summary, outcome.diff, mode(path)) == ("mode 0640 -> 0600", "", 0o600)


def test_the_owner_that_it_has_is_no_change(host: LocalHost, place: Path) -> None:
    owned = File(str(place / "f"), "text", owner=ME, group=MY_GROUP)
    assert host.converge(owned).states == ["changed"]
    assert host.converge(owned).states == ["ok"]


@as_root
def test_special_bits_outlive_the_writing(host: LocalHost, place: Path) -> None:
    """The kernel takes them from a file that anybody else writes to."""
    host.converge(File(str(place / "f"), "text", mode=0o4755), File(str(place / "f"), "other"))
    assert mode(place / "f") == 0o4755


@as_root
def test_owner_and_group_are_set_kept_and_put_back(host: LocalHost, place: Path) -> None:
    path = place / "f"
    theirs = File(str(path), "text", owner="daemon", group="mail")
    host.converge(theirs)
    assert (path.owner(), path.group()) == ("daemon", "mail")
    assert host.converge(theirs, File(str(path), "text")).states == ["ok", "ok"]
    host.undo(File(str(path), "new", owner="root", group="root"))
    assert (path.owner(), path.group(), path.read_text()) == ("daemon", "mail", "text")
    host.converge(File(str(place / "new"), "text", owner="daemon"))
    assert (place / "new").group() == "daemon"


@pytest.mark.parametrize("which", [{"owner": "nobody-like-this"}, {"group": "no-group-like-this"}])
def test_an_owner_who_is_not_there_is_an_error_that_leaves_nothing(
    host: LocalHost, place: Path, which: dict[str, str]
) -> None:
    outcome = host.converge(File(str(place / "f"), "text", **which))
    assert outcome.states == ["failed"]
    assert "like-this" in outcome.error
    assert tree(place) == {}


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_any_name_that_the_file_system_takes(host: LocalHost, place: Path, name: str) -> None:
    path = place / name
    assert host.converge(File(str(path), "one")).states == ["changed"]
    assert host.converge(File(str(path), "one")).states == ["ok"]
    assert host.converge(File(str(path), "two")).states == ["changed"]
    assert [entry.name for entry in place.iterdir()] == [name]
    assert path.read_text() == "two"
    host.undo(File(str(path), "three"))
    assert path.read_text() == "two"


@pytest.mark.parametrize("content", ["", "ünïcödé ☃\n", "no line break at the end", "a\r\nb\r\n", b"\0\xff\xfe"])
def test_any_content(host: LocalHost, place: Path, content: str | bytes) -> None:
    path = place / "f"
    host.converge(File(str(path), content))
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert host.converge(File(str(path), content)).states == ["ok"]


def test_a_secret_is_written_and_shown_nowhere(host: LocalHost, place: Path) -> None:
    path = place / "env"
    path.write_text("TOKEN=0ld-t0ken\n")
    path.chmod(0o640)
    secret = File(str(path), Secret("TOKEN=hunter2\n"))
    assert host.plan(secret).states == ["changed"]
    outcomes = [host.plan(secret), host.undo(secret), host.converge(secret)]
    assert path.read_text() == "TOKEN=hunter2\n"
    outcomes += [host.converge(File(str(path), Secret("hunter2"), owner="nobody-like-this"))]
    shown = "".join(outcome.text for outcome in outcomes) + repr(secret) + str(secret)
    assert "hunter2" not in shown
    assert "0ld-t0ken" not in shown


def test_content_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(File("/x", "hunter2"))


def test_the_diff_is_that_of_diff_u(host: LocalHost, place: Path) -> None:
    path = place / "f"
    path.write_text("one\ntwo\nthree")
    outcome = host.plan(File(str(path), "one\n2\nthree\n"))
    assert outcome.diff.splitlines() == [
        f"--- {path} (now)",
        f"+++ {path} (then)",
        "@@ -1,3 +1,3 @@",
        " one",
        "-two",
        "-three",
        "\\ No newline at end of file",
        "+2",
        "+three",
    ]
    assert path.read_text() == "one\ntwo\nthree"


def test_only_a_line_feed_ends_a_line_of_the_diff(host: LocalHost, place: Path) -> None:
    path = place / "f"
    path.write_text("a\fb\u2028c\n")
    assert host.plan(File(str(path), "a\fb\u2028d\n")).diff.split("\n")[3:] == ["-a\fb\u2028c", "+a\fb\u2028d", ""]


@pytest.mark.parametrize("content", [b"\xff\0", b"long\n" * 100_000])
def test_what_cannot_be_read_as_a_diff_is_one_line(host: LocalHost, place: Path, content: bytes) -> None:
    diff = host.plan(File(str(place / "f"), content)).diff
    assert len(diff.splitlines()) == 1
    assert f"0 -> {len(content)} bytes" in diff


def test_what_is_no_file_is_refused_and_left(host: LocalHost, place: Path) -> None:
    (place / "folder").mkdir()
    (place / "link").symlink_to("folder")
    os.mkfifo(place / "pipe")
    before = tree(place)
    for name, kind in (("folder", "folder"), ("link", "symlink"), ("pipe", "pipe")):
        outcome = host.converge(File(str(place / name), "text"))
        assert f"{place / name} is a {kind}, expected a regular file" in outcome.error
    assert tree(place) == before


@pytest.mark.parametrize("below", ["missing", "file"])
def test_a_folder_that_is_not_there_is_named_in_the_error(host: LocalHost, place: Path, below: str) -> None:
    (place / "file").write_text("")
    before = tree(place)
    outcome = host.converge(File(str(place / below / "f"), "text"))
    assert outcome.states == ["failed"]
    assert outcome.error.startswith(f"{place / below / 'f'}: ")
    assert tree(place) == before


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(host: LocalHost, place: Path) -> None:
    path = place / "f"
    path.write_text("old")
    before = tree(place)
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (100_000, hard))
    try:
        outcome = host.converge(File(str(path), b"n" * 1_000_000))
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
    assert outcome.error == f"{path}: File too large"
    assert tree(place) == before


def test_a_reader_meets_the_old_content_or_the_new_one(place: Path) -> None:
    path = place / "f"
    contents = [letter * 100_000 for letter in (b"a", b"b")]
    filesystem.write_atomic(str(path), contents[0], mode=0o644)
    done, torn = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            found = path.read_bytes()
            if found not in contents:
                torn.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        filesystem.write_atomic(str(path), contents[number % 2], mode=0o644)
    done.set()
    reader.join()
    assert torn == []


def test_something_in_the_way_of_the_rename_leaves_no_temporary_file(place: Path) -> None:
    (place / "f").mkdir()
    with pytest.raises(ResourceError, match="Is a directory"):
        filesystem.write_atomic(str(place / "f"), b"text", mode=0o644)
    assert list(tree(place)) == ["f"]


@pytest.mark.parametrize("moment", ["open", "write", "fsync", "replace", "unlink"])
def test_an_interruption_waits_until_a_file_is_whole(place: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    call, struck = getattr(os, moment), []

    def interrupted(*arguments: object, **more: object) -> object:
        if not struck:
            struck.append(moment)
            os.kill(os.getpid(), signal.SIGHUP)
        return call(*arguments, **more)

    before = signal.signal(signal.SIGHUP, interrupt)
    monkeypatch.setattr(os, moment, interrupted)
    try:
        with pytest.raises(Interrupted):
            filesystem.write_atomic(str(place / "f"), b"whole", mode=0o644)
    finally:
        signal.signal(signal.SIGHUP, before)
        monkeypatch.undo()
    assert struck
    assert tree(place) == {"f": ("file", 0o644, b"whole")}
