"""An archive is written whole or not at all; what happens to it later is seen before anything is done with it."""

from __future__ import annotations

import contextlib
import io
import json
import random
import sqlite3
import stat
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostsmith.archive.encryption import Encryptor, associated_data, decrypt
from hostsmith.contract.base import ResourceError
from hostsmith.environment.secret_file import Key
from hostsmith.errors import BackupError
from hostsmith.hostkit.app import shared_files
from hostsmith.hostkit.app.archive import Archive, ArchiveError, Writer, header
from hostsmith.hostkit.linux import pipes

HEADER = header("hello", 0, None, ["environment", "files"], "1.0", None)


def _written(path: Path, parts: dict[str, bytes]) -> Path:
    with Writer(str(path), HEADER) as writer:
        for name, data in parts.items():
            with writer.part(name) as part:
                part.write(pipes.packed(data))
                part.plain = len(data)
        writer.finish()
    return path


def _hostile(change: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("files.gz")
    info.size = 3
    if change in ("link", "device"):
        info.type, info.linkname, info.size = {"link": b"2", "device": b"3"}[change], "/etc/shadow", 0
    if change == "way out":
        info.name = "../files.gz"
    if change == "long name":
        info.name = "x" * 300
    return info


@pytest.mark.parametrize("change", ["link", "device", "way out", "long name", "twice", "very many"])
def test_a_member_that_no_backup_writes_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "hello.tar"
    with tarfile.open(path, "w") as archive:
        for number in range({"twice": 2, "very many": 1000}.get(change, 1)):
            info = _hostile(change)
            if change == "very many":
                info.name = f"{number}.gz"
            archive.addfile(info, io.BytesIO(b"abc"))
    for read in (Archive(str(path)).verify, Archive(str(path)).manifest, lambda: list(Archive(str(path)).read("x"))):
        with pytest.raises(ArchiveError, match="does not write|more than 100"):
            read()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return _written(tmp_path / "hello.tar", {"environment": b"{}", "files": bytes(range(256)) * 20})


def test_tar_and_sha256sum_read_an_archive_without_hostsmith(whole: Path) -> None:
    subprocess.run(["tar", "xf", whole], cwd=whole.parent, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=whole.parent, check=True)
    unpacked = subprocess.run(["gunzip", "-c", whole.parent / "files.gz"], capture_output=True, check=True)
    assert unpacked.stdout == bytes(range(256)) * 20
    manifest = json.loads((whole.parent / "manifest.json").read_text())
    assert (manifest["format"], manifest["app"]) == (1, "hello")
    assert [(part["name"], part["plain"]) for part in manifest["parts"]] == [("environment", 2), ("files", 5120)]


def test_an_archive_is_for_its_owner_alone_from_its_first_byte(tmp_path: Path) -> None:
    with Writer(str(tmp_path / "hello.tar"), HEADER) as writer, writer.part("files") as part:
        part.write(b"secret")
        (unfinished,) = tmp_path.iterdir()
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
        assert not unfinished.name.endswith(".tar")


def test_what_fails_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ResourceError), Writer(str(tmp_path / "hello.tar"), HEADER) as writer:
        with writer.part("files") as part:
            pipes.dump(["sh", "-c", "echo half; echo out of luck >&2; exit 3"], part.write)
        writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_an_archive_cut_off_anywhere_is_refused(whole: Path) -> None:
    data = whole.read_bytes()
    # Without the two empty blocks at its end all is there still.
    for size in range(0, len(data) - 1024, 97):
        whole.write_bytes(data[:size])
        with pytest.raises(ArchiveError, match="not a complete archive"):
            Archive(str(whole)).verify()


def test_a_flipped_bit_is_seen_unless_it_says_nothing(whole: Path) -> None:
    data, expected = whole.read_bytes(), Archive(str(whole)).verify()
    kept = list(Archive(str(whole)).read("files.gz"))
    bits = random.Random(5)
    refused = 0
    for _ in range(400):
        place = bits.randrange(len(data))
        whole.write_bytes(data[:place] + bytes([data[place] ^ (1 << bits.randrange(8))]) + data[place + 1 :])
        try:
            assert Archive(str(whole)).verify() == expected
            assert list(Archive(str(whole)).read("files.gz")) == kept
        except ArchiveError:
            refused += 1
    assert refused > 100


def test_any_flipped_bit_of_a_part_is_seen(whole: Path) -> None:
    data = whole.read_bytes()
    with tarfile.open(whole) as archive:
        member = archive.getmember("files.gz")
    for place in range(member.offset_data, member.offset_data + member.size):
        whole.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ArchiveError, match=r"the checksum of files\.gz does not match"):
            Archive(str(whole)).verify()


@pytest.mark.parametrize("text", [b"", b"no archive at all", b"\0" * 4096, b"\x1f\x8b" + bytes(600)])
def test_what_is_no_archive_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(text)
    for look in (Archive.verify, Archive.manifest):
        with pytest.raises(ArchiveError, match="not a complete archive"):
            look(Archive(str(tmp_path / "x.tar")))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nothing: cannot be read: No such file"):
        Archive(str(tmp_path / "nothing")).verify()


def test_a_dump_is_passed_on_in_pieces_and_never_held_as_a_whole() -> None:
    """A receiver that looks at each piece sees no more of the dump waiting than a pipe holds."""
    read, largest = 0, 0
    unpacker = zlib.decompressobj(31)

    def take(piece: bytes) -> None:
        nonlocal read, largest
        largest = max(largest, len(piece))
        read += len(unpacker.decompress(piece))

    size = pipes.dump(["head", "-c", "20000000", "/dev/urandom"], take)
    assert (size, read) == (20_000_000, 20_000_000)
    assert largest < 3 * pipes.PIECE


def test_a_dump_waits_for_whoever_takes_it(tmp_path: Path) -> None:
    """The program has not got further than a few pieces when the first one is taken."""
    progress = tmp_path / "progress"
    loop = "for n in range(400): os.write(1, os.urandom(65536)), open(sys.argv[1], 'w').write(str(n))"
    seen: list[int] = []

    def take(piece: bytes) -> None:
        if not seen and piece:
            # It writes to a full pipe by now, or will: it cannot pass what the pipe holds.
            seen.append(int(progress.read_text() or 0) if progress.exists() else 0)

    pipes.dump([sys.executable, "-c", f"import os, sys\n{loop}", str(progress)], take)
    assert seen[0] < 20
    assert progress.read_text() == "399"


def test_a_dump_that_fails_half_way_fails_with_its_own_words() -> None:
    with pytest.raises(ResourceError, match="sh: ended with status 3\nout of luck"):
        pipes.dump(["sh", "-c", "echo half; echo out of luck >&2; exit 3"], lambda piece: None)
    with pytest.raises(ResourceError, match="no-such-program: No such file"):
        pipes.dump(["no-such-program"], lambda piece: None)


def test_a_program_that_stops_reading_says_why() -> None:
    load = pipes.Load(["sh", "-c", "echo this is no dump >&2; exit 4"])
    with pytest.raises(ResourceError, match="status 4\nthis is no dump"):
        while True:
            load.write(pipes.packed(bytes(1 << 20)))
            load = load if not load._unpacker.eof else _again(load)
    load.end()


def _again(load: pipes.Load) -> pipes.Load:
    load._unpacker = zlib.decompressobj(31)
    return load


def test_what_is_loaded_arrives_as_it_was_dumped_and_not_when_it_was_cut_off(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3_000_000)
    packed = pipes.packed(data)
    load = pipes.Load(["sh", "-c", f"cat > {tmp_path}/out"])
    for start in range(0, len(packed), 10_000):
        load.write(packed[start : start + 10_000])
    load.close()
    load.end()
    assert (tmp_path / "out").read_bytes() == data
    load = pipes.Load(["cat"])
    load.write(packed[:-1])
    with pytest.raises(ResourceError, match="cut off"):
        load.close()
    load.end()


KEY = Key.new()


def _sealed(data: bytes, key: Key = KEY, part: str = "files") -> bytes:
    out = io.BytesIO()
    encryptor = Encryptor(key, associated_data(HEADER, part), out.write)
    for start in range(0, len(data), 100_000):
        encryptor.write(data[start : start + 100_000])
    encryptor.close()
    return out.getvalue()


def _pieces(data: bytes) -> Iterator[bytes]:
    yield from (data[start : start + 77_777] for start in range(0, len(data), 77_777))


def _open(data: bytes, key: Key = KEY, part: str = "files") -> bytes:
    return b"".join(decrypt(key, associated_data(HEADER, part), _pieces(data), part))


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 1_000_000])
def test_what_was_encrypted_is_decrypted(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert _open(_sealed(data)) == data


_TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "salt alone": lambda data: data[:32],
    "a bit": lambda data: data[:70_000] + bytes([data[70_000] ^ 4]) + data[70_001:],
    "the salt": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "the last piece": lambda data: data[: 32 + 2 * 65552],
    "half a piece": lambda data: data[:100_000],
    "an order": lambda data: data[:32] + data[32 + 65552 : 32 + 2 * 65552] + data[32 : 32 + 65552] + data[-40_000:],
    "more": lambda data: data + b"x",
}


@pytest.mark.parametrize("change", _TAMPERED)
def test_what_was_tampered_with_or_cut_off_is_not_decrypted(change: str) -> None:
    with pytest.raises(BackupError, match="cannot be decrypted"):
        _open(_TAMPERED[change](_sealed(bytes(170_000))))


def test_a_part_is_bound_to_its_key_its_name_and_its_archive() -> None:
    sealed = _sealed(b"data")
    assert _open(sealed, KEY, "files") == b"data"
    other = {**HEADER, "created": "2026-11-20 03:15:00Z"}
    assert b"".join(decrypt(KEY, associated_data(HEADER, "files"), [sealed], "files")) == b"data"
    wrong: dict[str, Callable[[], bytes]] = {
        "another key": lambda: _open(sealed, key=Key.new()),
        "another part": lambda: _open(sealed, part="postgres"),
        "another archive": lambda: b"".join(decrypt(KEY, associated_data(other, "files"), [sealed], "files")),
    }
    for what, open_it in wrong.items():
        with pytest.raises(BackupError, match="cannot be decrypted"):
            pytest.fail(f"{what}: {open_it()!r}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shared"
    (made / "uploads" / "ünï cödé").mkdir(parents=True)
    (made / "uploads" / "ünï cödé" / "new\nline").write_text("x" * 10_000)
    (made / "link").symlink_to("/etc/shadow")
    (made / "empty").touch(mode=0o604)
    (made / "false.db").write_bytes(b"SQLite format 3\0 not at all" + bytes(5000))
    return made


def _tar(folder: Path) -> tarfile.TarFile:
    done = subprocess.run([sys.executable, "-I", shared_files.__file__, folder], capture_output=True, check=True)
    assert done.stderr == b""
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def test_files_are_kept_with_their_modes_and_odd_names_and_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    _tar(folder).extractall(tmp_path / "out", filter="tar")
    subprocess.run(["diff", "-r", "--no-dereference", folder, tmp_path / "out"], check=True)
    assert stat.S_IMODE((tmp_path / "out" / "empty").stat().st_mode) == 0o604


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_sqlite_database_is_kept_as_of_one_moment_while_it_is_written_to(
    folder: Path, tmp_path: Path, mode: str
) -> None:
    with contextlib.closing(sqlite3.connect(folder / "app.db")) as database:
        database.execute(f"pragma journal_mode={mode}")
        database.execute("create table t (x)")
        database.executemany("insert into t values (?)", [(n,) for n in range(1000)])
        database.commit()
        # Not committed: it must not be in the copy, nor keep it from being made.
        database.execute("insert into t values (-1)")
        archive = _tar(folder)
    assert not [name for name in archive.getnames() if "app.db-" in name or "hostsmith" in name]
    archive.extract("./app.db", tmp_path, filter="tar")
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as copy:
        assert copy.execute("select count(*), min(x) from t").fetchone() == (1000, 0)
        assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
    assert list(folder.glob(".hostsmith*")) == []


def test_a_folder_that_cannot_be_read_is_told_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", shared_files.__file__, str(tmp_path / "none")],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No such file" in done.stderr
