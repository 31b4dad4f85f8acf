"""What a virtualenv is not filled with: packages that the code says are from somewhere which nobody would heed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hostsmith.hostkit.build.builder import Builder
from hostsmith.hostkit.build.filling import Filling
from hostsmith.hostkit.build.installers import Tools
from hostsmith.hostkit.linux import system
from hostsmith.resources import ResourceError
from trees import plant

ELSEWHERE = "[project]\nname = 'libx'\n[[tool.pdm.source]]\nname = 'ours'\nurl = 'https://index.example.org/simple'\n"


class Host:
    """A builder, and tools of a host that has no uv; what they are told to install is noted."""

    uv_cache = "/nonexistent"

    def __init__(self, empty: Path) -> None:
        self.installed: list[str] = []
        self._empty = empty

    @contextlib.contextmanager
    def owning(self, *folders: str) -> Iterator[None]:
        yield

    def run(self, argv: Sequence[str], **more: Any) -> subprocess.CompletedProcess[bytes]:
        if "-c" in argv:
            return system.run([sys.executable, *argv[1:]])
        self.installed.append(" ".join(argv))
        return subprocess.CompletedProcess(argv, 0, b"", b"")

    def blank(self, python: str) -> str:
        (self._empty / "bin").mkdir(parents=True)
        (self._empty / "pyvenv.cfg").touch()
        return str(self._empty)

    def uv(self) -> str:
        raise system.CommandError("there is none")


@pytest.fixture
def host(place: Path) -> Host:
    return Host(place / "blank")


def fill(place: Path, host: Host, name: str, files: dict[str, str]) -> None:
    """Fill a virtualenv with what one of these files of some code asks for."""
    plant(place / "code", files)
    (place / "venv").mkdir()
    names = (str(place / "venv"), sys.executable, str(place / "code"), [str(place / "code" / name)], [])
    Filling(*names, cast(Builder, host), cast(Tools, host), 60).make()


@pytest.mark.parametrize("line", ["-e lib", "libx @ file:lib", "-e ./lib#egg=libx", "lib [x]@ file:./lib", "-e next"])
def test_a_folder_that_has_dependencies_from_elsewhere_is_refused(place: Path, host: Host, line: str) -> None:
    beside = "[project]\nname = 'next'\ndependencies = ['libx @ file:../lib']\n"
    files = {"requirements.txt": line, "lib/pyproject.toml": ELSEWHERE, "next/pyproject.toml": beside}
    with pytest.raises(ResourceError, match=r"found \[tool\.pdm\] source.*Commit pdm\.lock"):
        fill(place, host, "requirements.txt", files)
    assert host.installed == []


@pytest.mark.parametrize(
    "text",
    ["[project]\nname = 'a'\ndependencies = ['libx @ file:lib']\n", "[tool.uv.sources]\nlibx = { path = 'lib' }\n"],
)
def test_so_is_one_that_a_pyproject_asks_for(place: Path, host: Host, text: str) -> None:
    with pytest.raises(ResourceError, match=r"found \[tool\.pdm\] source"):
        fill(place, host, "pyproject.toml", {"pyproject.toml": text, "lib/pyproject.toml": ELSEWHERE})


@pytest.mark.parametrize("line", ["-e ~/lib", "git@example.org:lib.git", "./l%69b"])
def test_a_folder_that_is_not_there_is_told(place: Path, host: Host, line: str) -> None:
    with pytest.raises(ResourceError, match=r"found '.*, but there is no .* in the source"):
        fill(place, host, "requirements.txt", {"requirements.txt": line, "lib/pyproject.toml": ELSEWHERE})


@pytest.mark.parametrize("other", ["uv.lock", "uv.toml"])
def test_a_part_of_a_workspace_is_refused_where_the_whole_has_its_versions(place: Path, host: Host, other: str) -> None:
    files = {"pyproject.toml": "[tool.uv.workspace]\nmembers = ['backend']\n", other: "index-url = 'https://x'\n"}
    files["backend/pyproject.toml"] = "[project]\nname = 'b'\ndependencies = ['iniconfig']\n"
    with pytest.raises(ResourceError, match=rf"backend/pyproject\.toml: found {other}.*name the uv\.lock"):
        fill(place, host, "backend/pyproject.toml", files)


def test_tables_and_files_that_say_nothing_of_it_stop_nobody(place: Path, host: Host) -> None:
    text = "[project]\nname = 'a'\ndependencies = ['six']\n[tool.uv.pip]\ngenerate-hashes = true\n"
    files = {"pyproject.toml": text, "uv.toml": "link-mode = 'copy'\n", "pdm.toml": "[venv]\nprompt = 'a'\n"}
    fill(place, host, "pyproject.toml", files)
    assert len(host.installed) == 1


@pytest.mark.parametrize(
    ("name", "text", "lock"),
    [("uv.toml", "index-url = 'https://x'", "uv.lock"), ("pdm.toml", "[pypi]\nurl = 'https://x'", "pdm.lock")],
)
def test_a_file_of_a_tools_that_names_an_index_is_refused(
    place: Path, host: Host, name: str, text: str, lock: str
) -> None:
    files = {"pyproject.toml": "[project]\nname = 'a'\ndependencies = ['six']\n", name: text}
    with pytest.raises(ResourceError, match=rf"{name} beside it.*Commit {lock}"):
        fill(place, host, "pyproject.toml", files)


def test_sources_of_the_whole_are_not_missed_where_pip_installs_a_part(place: Path, host: Host) -> None:
    whole = "[tool.uv.workspace]\nmembers = ['backend']\n[tool.uv.sources]\nours = { git = 'https://x/ours' }\n"
    files = {"requirements.txt": "-e backend", "pyproject.toml": whole, "backend/pyproject.toml": "[project]\n"}
    with pytest.raises(ResourceError, match=r"found \[tool\.uv\] sources"):
        fill(place, host, "requirements.txt", files)
    assert host.installed == []
