"""The agent's code on a host: sent once, kept, loaded from there, and sent again when it is not as it should be."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostsmith.agent import unpack
from hostsmith.connection import pack
from hostsmith.connection.fingerprint import fingerprint
from hostsmith.resources import Directory, File
from local_host import Agent, mode


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of an agent on a host that has never seen one."""
    path = tmp_path / "host"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as a run leaves it."""
    folder = tmp_path_factory.mktemp("code") / "host"
    folder.mkdir()
    assert was_sent(folder)
    return version(folder)


@pytest.fixture
def known(host: Path, code: Path) -> Path:
    """The folder of an agent on a host that has seen one of this version."""
    shutil.copytree(code, version(host))
    return host


def was_sent(folder: Path) -> bool:
    """Whether a run, which must go well, was sent the code."""
    with Agent(folder) as agent:
        assert agent.converge(Directory(str(folder)), op="plan").ok
    return agent.was_sent_code


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder.parent / "code").iterdir())


def version(folder: Path) -> Path:
    """Where a host keeps the code."""
    return folder.parent / "code" / pack.code_folder().rpartition("/")[2]


def test_it_is_sent_once_and_kept_with_its_bytecode(host: Path) -> None:
    assert [was_sent(host), was_sent(host), was_sent(host)] == [True, False, False]
    assert kept(host) == [version(host).name]
    assert mode(version(host).parent) == 0o700
    assert list(version(host).glob("hostsmith/agent/__pycache__/main.*.pyc"))
    with zipfile.ZipFile(io.BytesIO(pack.agent_zip())) as archive:
        for name in archive.namelist():
            assert (version(host) / name).read_bytes() == archive.read(name)


def test_what_was_asked_before_the_code_was_there_is_answered_in_order(host: Path) -> None:
    class Hasty(Agent):
        def _begin(self) -> None:
            self.write(b"0\n")
            self.start_lock()
            self.start([File(f"{self.folder}/first", "x")])
            self.start([File(f"{self.folder}/large", "x" * 3_000_000)], "plan")
            super()._begin()

    with Hasty(host) as agent:
        assert agent.was_sent_code
        _, first, second = agent.outcome(), agent.outcome(), agent.outcome()
        third = agent.converge(File(f"{host}/first", "x"))
    assert (first.summary, second.states, third.states) == ("created", ["changed"], ["ok"])


@pytest.mark.parametrize(
    ("part", "text"), [("agent/main.py", ""), ("agent/engine.py", "half of"), ("contract/base.py", "")]
)
def test_a_damaged_part_of_it_is_sent_again(known: Path, part: str, text: str) -> None:
    (version(known) / "hostsmith" / part).write_text(text)
    assert [was_sent(known), was_sent(known)] == [True, False]
    assert kept(known) == [version(known).name]


def test_parts_that_are_missing_are_sent_again(known: Path) -> None:
    shutil.rmtree(version(known) / "hostsmith" / "agent")
    assert [was_sent(known), was_sent(known)] == [True, False]


@pytest.mark.parametrize("size", [10, 500])
def test_bytecode_that_is_cut_off_stops_no_run(known: Path, size: int) -> None:
    for path in version(known).rglob("*.pyc"):
        path.write_bytes(path.read_bytes()[:size])
    was_sent(known)
    assert not was_sent(known)


@pytest.mark.parametrize("kind", ["others may write", "link", "file"])
def test_what_is_not_roots_alone_is_not_used(known: Path, tmp_path: Path, kind: str) -> None:
    shutil.rmtree(version(known) / "hostsmith" / "agent" / "__pycache__")
    (version(known) / "hostsmith" / "__init__.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')")
    if kind == "others may write":
        version(known).chmod(0o777)
    else:
        version(known).rename(tmp_path / "elsewhere")
    if kind == "link":
        version(known).symlink_to(tmp_path / "elsewhere")
    if kind == "file":
        version(known).write_text("")
    assert [was_sent(known), was_sent(known)] == [True, False]
    assert not (tmp_path / "pwned").exists()
    assert (version(known).is_symlink(), version(known).is_dir(), mode(version(known))) == (False, True, 0o755)


def test_where_others_may_write_nothing_is_kept_nor_used(known: Path) -> None:
    version(known).parent.chmod(0o777)
    before = [path.stat().st_mtime_ns for path in version(known).rglob("*")]
    assert [was_sent(known), was_sent(known)] == [True, True]
    assert [path.stat().st_mtime_ns for path in version(known).rglob("*")] == before
    assert kept(known) == [version(known).name]


def test_where_it_cannot_be_written_it_runs_from_memory(host: Path) -> None:
    version(host).parent.write_text("no folder")
    assert [was_sent(host), was_sent(host)] == [True, True]


def test_runs_that_begin_at_once_do_not_disturb_each_other(host: Path) -> None:
    with ThreadPoolExecutor(5) as pool:
        assert any(pool.map(lambda _: was_sent(host), range(5)))
    assert kept(host) == [version(host).name]
    assert not was_sent(host)


_KILLED = """\
import os, signal, sys, zipfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from hostsmith.agent import unpack
def killed(self, folder):
    Path(folder, "half").write_text("of it")
    os.kill(os.getpid(), signal.SIGKILL)
zipfile.ZipFile.extractall = killed
unpack.unpack(sys.stdin.buffer, sys.argv[2], None, FileNotFoundError())
"""


def test_what_a_run_has_left_that_was_killed_while_it_wrote_is_taken_away(host: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.zip").write_bytes(pack.agent_zip())
    killed = subprocess.run(
        [sys.executable, "-I", "-c", _KILLED, str(tmp_path / "agent.zip"), str(version(host))],
        input=pack.code_message().partition(b"\n")[2][len(Path(unpack.__file__).read_bytes()) :],
        check=False,
    )
    assert killed.returncode == -9
    (left,) = kept(host)
    assert left.startswith(f"{version(host).name}.")
    assert [was_sent(host), was_sent(host)] == [True, False]
    assert kept(host) == [version(host).name]


@pytest.fixture
def used(known: Path) -> Iterator[Path]:
    """The folder of an older version of the code that a run uses."""
    with Agent(known) as agent:
        assert agent.converge(Directory(str(known)), op="plan").ok
        older = version(known).with_name("0" * 32)
        version(known).rename(older)
        os.utime(older, (0, 0))
        yield older
        assert agent.converge(Directory(str(known))).ok, "it loads what it had not yet"


def test_older_versions_are_taken_away_when_no_run_uses_them(known: Path, used: Path, code: Path) -> None:
    for digit in "123":
        shutil.copytree(code, version(known).with_name(digit * 32))
        os.utime(version(known).with_name(digit * 32), (int(digit), int(digit)))
    assert was_sent(known)
    assert kept(known) == sorted([used.name, "3" * 32, version(known).name])


def test_a_controller_that_goes_while_it_sends_the_code_leaves_nothing(host: Path) -> None:
    class Leaving(Agent):
        def _begin(self) -> None:
            self.write(pack.code_message()[:-1000])
            self.close()

    with Leaving(host) as agent:
        assert agent.process.stderr is not None
        assert agent.process.stderr.read() == b""
    assert not version(host).parent.exists()


def test_it_is_the_same_version_wherever_its_files_are(tmp_path: Path) -> None:
    """A checkout, the zip file on a host with deployers: nobody is kept out by what does not matter."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(io.BytesIO(pack.agent_zip(compression))) as archive:
            files = [(name, archive.read(name)) for name in reversed(archive.namelist())]
        assert fingerprint(files) == pack.code_folder().rpartition("/")[2]
    assert fingerprint([*files, ("hostsmith/agent/more.py", b"")]) != fingerprint(files)
    assert fingerprint([("a", b"b"), ("c", b"d")]) != fingerprint([("a", b"bc"), ("", b"d")])


def test_the_command_says_nothing_of_the_version(tmp_path: Path) -> None:
    """Each user of a host may read what runs there, and a gate for deployers is not asked for it."""
    words = shlex.split(pack.start_command(False))
    assert pack.code_folder().rpartition("/")[2] not in "".join(words)
