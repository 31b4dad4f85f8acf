"""Virtualenv: built once for what it is made of, again when that changes, and the old one kept when that fails."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hostsmith.hostkit.build import virtualenv
from hostsmith.resources import ResourceError, Virtualenv
from local_host import LocalHost, program, tree


class Interpreter:
    """A Python whose virtualenvs take no time, since they get no pip, and whose version can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version("3.11.2")

    def version(self, version: str) -> None:
        real = sys.executable
        program(
            self.path,
            f'[ "$1" = -VV ] && {{ echo "Python {version}"; exit; }}\n'
            f'[ "$2" = venv ] && exec {real} "$@" --without-pip\nexec {real} "$@"',
        )


@pytest.fixture
def python(tmp_path: Path) -> Interpreter:
    return Interpreter(tmp_path / "python3")


def runs(path: Path) -> bool:
    argv = [f"{path}/bin/python", "-c", "import sys; print(sys.prefix)"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip() == str(path)


def test_built_then_kept_then_rebuilt_then_rebuilt_again(host: LocalHost, place: Path, python: Interpreter) -> None:
    path = place / "the venv"
    resource = Virtualenv(str(path), python=str(python.path))
    assert host.converge(resource).summary == "built"
    (path / "mark").touch()
    assert host.converge(resource).states == ["ok"]
    assert runs(path)
    for version in ("3.12.1", "3.11.2"):
        python.version(version)
        assert host.converge(resource).summary == "rebuilt"
        assert not (path / "mark").exists()
        (path / "mark").touch()
    assert runs(path)
    assert [entry.name for entry in place.iterdir()] == ["the venv"]


def test_a_build_is_undone(host: LocalHost, place: Path, python: Interpreter) -> None:
    requirements = place / "requirements.txt"
    requirements.write_text("something\n")
    before = tree(place)
    host.undo(Virtualenv(f"{place}/venv", python=str(python.path)))
    assert not (place / "venv").exists()
    # There is no pip in it to install with.
    outcome = host.converge(Virtualenv(f"{place}/venv", (str(requirements),), python=str(python.path)))
    assert "No module named pip" in outcome.error
    assert tree(place) == before


def test_a_rebuild_that_fails_leaves_the_old_one(host: LocalHost, place: Path, python: Interpreter) -> None:
    path = place / "venv"
    resource = Virtualenv(str(path), python=str(python.path))
    host.converge(resource)
    before = tree(path)
    requirements = place / "requirements.txt"
    requirements.write_text("something\n")
    assert not host.converge(Virtualenv(str(path), (str(requirements),), python=str(python.path))).ok
    assert host.converge(resource).states == ["ok"]
    assert tree(path) == before
    assert runs(path)


def test_after_a_kill_amid_a_rebuild_a_failure_still_leaves_the_old_one(
    host: LocalHost, place: Path, python: Interpreter
) -> None:
    path, requirements = place / "venv", place / "requirements.txt"
    requirements.write_text("something\n")
    host.converge(Virtualenv(str(path), python=str(python.path)))
    before = tree(path)
    path.rename(place / "venv.before")
    (path / "bin").mkdir(parents=True)
    assert not host.converge(Virtualenv(str(path), (str(requirements),), python=str(python.path))).ok
    assert tree(path) == before
    assert not (place / "venv.before").exists()


def test_after_a_kill_amid_the_last_cleaning_up_the_new_one_stays(
    host: LocalHost, place: Path, python: Interpreter
) -> None:
    path, requirements = place / "venv", place / "requirements.txt"
    requirements.write_text("something\n")
    host.converge(Virtualenv(str(path), python=str(python.path)))
    (place / "venv.before/lib").mkdir(parents=True)
    before = tree(path)
    assert host.converge(Virtualenv(str(path), python=str(python.path))).states == ["ok"]
    assert not host.converge(Virtualenv(str(path), (str(requirements),), python=str(python.path))).ok
    assert tree(path) == before


def test_a_dry_run_builds_nothing(host: LocalHost, place: Path, python: Interpreter) -> None:
    assert host.plan(Virtualenv(f"{place}/venv", python=str(python.path))).states == ["changed"]
    assert tree(place) == {}


def test_a_missing_interpreter_or_requirements_file_says_what_to_do(host: LocalHost, place: Path) -> None:
    error = host.converge(Virtualenv(f"{place}/venv", python="python3.99")).error
    assert "the interpreter 'python3.99' is missing on this host" in error
    assert "set `python` to another one" in error
    error = host.converge(Virtualenv(f"{place}/venv", (f"{place}/requirements.txt",), python=sys.executable)).error
    assert f"there is no requirements.txt in the source ({place}/requirements.txt)" in error
    assert tree(place) == {}


def test_requirements_are_installed_by_pip(host: LocalHost, place: Path) -> None:
    """The whole of it, with pip: from a wheel beside the requirements, so that no network is needed."""
    wheel = place / "hello-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("hello.py", "def main(): print('hello')\n")
        archive.writestr("hello-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n")
        archive.writestr("hello-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("hello-1.0.dist-info/entry_points.txt", "[console_scripts]\nhello = hello:main\n")
        archive.writestr("hello-1.0.dist-info/RECORD", "")
    (place / "requirements.txt").write_text("--no-index\n-r more.txt\n")
    (place / "more.txt").write_text("./hello-1.0-py3-none-any.whl\n")
    resource = Virtualenv(f"{place}/venv", (f"{place}/requirements.txt",), packages=("hello",), python=sys.executable)
    assert host.converge(resource).states == ["changed"]
    done = subprocess.run([f"{place}/venv/bin/hello"], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    assert host.converge(resource).states == ["ok"]


class TestFingerprint:
    """What makes a virtualenv another one."""

    @pytest.fixture
    def folder(self, place: Path) -> Path:
        (place / "requirements").mkdir()
        (place / "requirements.txt").write_text("flask\n")
        return place

    def of(self, folder: Path, python: Interpreter, text: str, *tools: str, key: str = "release-1") -> str:
        (folder / "requirements.txt").write_text(text)
        return virtualenv.fingerprint(str(python.path), [f"{folder}/requirements.txt"], tools, local_key=key)

    def test_the_same_for_the_same(self, folder: Path, python: Interpreter) -> None:
        assert self.of(folder, python, "flask\n") == self.of(folder, python, "flask\n", key="release-2")

    def test_interpreter_requirements_and_tools_count(self, folder: Path, python: Interpreter) -> None:
        found = [self.of(folder, python, "flask\n"), self.of(folder, python, "flask==3\n")]
        found += [self.of(folder, python, "flask\n", "gunicorn")]
        python.version("3.12.1")
        found += [self.of(folder, python, "flask\n")]
        assert len(set(found)) == 4

    @pytest.mark.parametrize(
        "line",
        [
            "-r base.txt",
            "-rbase.txt",
            "  -r  base.txt  # the base",
            "-r\tbase.txt",
            "--requirement base.txt",
            "--requirement=base.txt",
            "-c base.txt",
            "--constraint=base.txt",
            "-r ./requirements/../base.txt",
            "-r requirements/outer.txt",
        ],
    )
    def test_included_files_count(self, folder: Path, python: Interpreter, line: str) -> None:
        (folder / "requirements/outer.txt").write_text("-r ../base.txt\n")
        (folder / "base.txt").write_text("django==4\n")
        before = self.of(folder, python, f"flask\n{line}\n")
        (folder / "base.txt").write_text("django==5\n")
        assert self.of(folder, python, f"flask\n{line}\n") != before

    def test_files_that_include_each_other_end(self, folder: Path, python: Interpreter) -> None:
        (folder / "base.txt").write_text("-r requirements.txt\n")
        assert self.of(folder, python, "-r base.txt\n")

    def test_an_included_file_that_is_missing_is_named(self, folder: Path, python: Interpreter) -> None:
        with pytest.raises(ResourceError, match=r"there is no base\.txt in the source"):
            self.of(folder, python, "-r base.txt\n")

    def test_a_file_at_a_url_is_left_to_pip(self, folder: Path, python: Interpreter) -> None:
        assert self.of(folder, python, "-c https://example.com/constraints.txt\n")

    @pytest.mark.parametrize(
        "line",
        [".", "./lib", "../lib", "lib/mine", "-e .", "-e.", "--editable=./lib", "/opt/lib", "file:///opt/lib",
         "mine @ file:///opt/lib", "mine@file:lib"],
    )  # fmt: skip
    def test_requirements_that_are_part_of_the_code_count_with_the_code(
        self, folder: Path, python: Interpreter, line: str
    ) -> None:
        found = {self.of(folder, python, f"flask\n{line}\n", key=key) for key in ("release-1", "release-2")}
        assert len(found) == 2

    @pytest.mark.parametrize("line", ["flask[async]>=3", "mine @ git+https://example.com/mine.git", "--no-index"])
    def test_other_requirements_do_not(self, folder: Path, python: Interpreter, line: str) -> None:
        found = {self.of(folder, python, f"{line}\n", key=key) for key in ("release-1", "release-2")}
        assert len(found) == 1
