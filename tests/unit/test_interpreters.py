"""Which Python a virtualenv is made by, when the code says what it needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hostsmith.hostkit.build import interpreters
from hostsmith.hostkit.build.interpreters import PythonRequirement, on_host, python_requirement
from hostsmith.resources import ResourceError
from local_host import program


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (".python-version", "3.12\n", "3.12"),
        (".python-version", "# ours\n\n3.12.4  # same as in CI\n3.11\n", "3.12.4"),
        (".python-version", "cpython-3.13\n", "3.13"),
        ("pyproject.toml", "[project]\nname = 'a'\nrequires-python = '>=3.11'\n", ">=3.11"),
        ("pyproject.toml", "[tool.poetry.dependencies]\nflask = '*'\npython = \"^3.11\"\n", "^3.11"),
        ("pyproject.toml", '[project]\r\nrequires-python=">=3.11"\r\n', ">=3.11"),
        ("Pipfile", "[packages]\nflask = '*'\n[requires]\npython_version = '3.11'\n", "3.11"),
        ("Pipfile", "[requires]\npython_full_version = '3.11.2'\n", "3.11.2"),
    ],
)
def test_the_code_says_which_version_it_asks_for(place: Path, name: str, text: str, found: str) -> None:
    (place / name).write_bytes(text.encode())
    assert python_requirement(str(place)) == PythonRequirement(found, name)


@pytest.mark.parametrize(
    "text",
    [
        "[project]\nname = 'a'\n",
        "[tool.x]\nrequires-python = '>=3.11'\n",
        "[project]\n[tool.a]\nrequires-python = '3'\n",
    ],
)
def test_code_that_asks_for_none_gets_the_hosts_own(place: Path, text: str) -> None:
    (place / "pyproject.toml").write_text(text)
    assert python_requirement(str(place)) is None
    assert interpreters.choose(str(place), lambda asked: pytest.fail("installed one")) == "python3"


def test_python_version_comes_before_pyproject(place: Path) -> None:
    (place / ".python-version").write_text("3.12\n")
    (place / "pyproject.toml").write_text("[project]\nrequires-python = '>=3.11'\n")
    assert python_requirement(str(place)) == PythonRequirement("3.12", ".python-version")


@pytest.mark.parametrize("text", ["pypy3.10\n", "system\n", "2.7\n", "$(id)\n"])
def test_a_python_version_that_is_no_version_of_cpython_is_told(place: Path, text: str) -> None:
    (place / ".python-version").write_text(text)
    with pytest.raises(ResourceError, match=r"in \.python-version, expected a version of CPython such as 3\.12"):
        python_requirement(str(place))


@pytest.mark.parametrize(
    ("spec", "admitted", "refused"),
    [
        (">=3.11", "3.11.0 3.11.9 3.13.1 4.0.0", "3.10.12"),
        (">=3.10,<3.13", "3.10.1 3.12.9", "3.13.0 3.9.9"),
        (">3.11,!=3.12.1", "3.11.1 3.12.0", "3.11.0 3.12.1"),
        ("<=3.12", "3.12.0 3.11.9", "3.12.1"),
        ("~=3.11", "3.11.0 3.13.0", "3.10.9 4.0.0"),
        ("~=3.11.2", "3.11.2 3.11.9", "3.11.1 3.12.0"),
        ("==3.12.*", "3.12.0 3.12.9", "3.11.9 3.13.0"),
        ("!=3.12.*", "3.11.9 3.13.0", "3.12.5"),
        ("==3.12.4", "3.12.4", "3.12.5"),
        ("^3.11", "3.11.0 3.14.2", "3.10.9 4.0.0"),
        ("~3.11", "3.11.9", "3.12.0"),
        ("3.11", "3.11.0 3.11.9", "3.12.0"),
        ("~3.9 || ^3.11", "3.9.1 3.13.0", "3.10.0"),
        ("*", "3.11.0", ""),
    ],
)
def test_a_version_is_asked_for_in_the_words_of_pep_440_poetry_or_pipenv(
    spec: str, admitted: str, refused: str
) -> None:
    asked = PythonRequirement(spec, "pyproject.toml")
    assert [text for text in admitted.split() if not asked.admits(version(text))] == []
    assert [text for text in refused.split() if asked.admits(version(text))] == []


def test_of_a_python_version_the_minor_version_counts(place: Path) -> None:
    asked = PythonRequirement("3.12.4", ".python-version")
    assert asked.admits((3, 12, 9))
    assert not asked.admits((3, 11, 4))


def test_a_version_that_cannot_be_read_is_told() -> None:
    with pytest.raises(ResourceError, match=r"found 'new' as the version of Python in pyproject\.toml"):
        PythonRequirement("new", "pyproject.toml").admits((3, 11, 2))


@pytest.mark.parametrize(
    ("text", "request_"),
    [(">=3.11,<4", ">=3.11,<4"), ("^3.11", ">=3.11,<4"), ("~3.11", ">=3.11,==3.11.*"), ("3.12", "3.12")],
)
def test_uv_is_asked_in_its_own_words(text: str, request_: str) -> None:
    assert PythonRequirement(text, "pyproject.toml").request == request_


def make(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    program(folder / name, f"echo {text}" if text else "exit 1")


def test_the_hosts_own_python_is_tried_first_and_then_the_newest(place: Path) -> None:
    make(place / "a", "python3.9", "3.9.2")
    make(place / "a", "python3.13", "3.13.1")
    make(place / "b", "python3", "3.11.2")
    make(place / "b", "python3.11", "3.11.2")
    make(place / "b", "python3.13", "3.13.0")
    # One that cannot make virtualenvs, and what is no interpreter.
    make(place / "b", "python3.14", "")
    make(place / "b", "python3.11-config", "3.11.2")
    found = [str(each) for each in on_host(f"{place}/a:{place}/b")]
    assert found == ["python3 (3.11.2)", "python3.13 (3.13.1)", "python3.9 (3.9.2)"]


def test_when_none_will_do_one_is_installed(place: Path) -> None:
    (place / ".python-version").write_text("3.99\n")
    asked = []

    def install(one: PythonRequirement) -> str:
        asked.append(one.request)
        return "/opt/python3.99"

    assert interpreters.choose(str(place), install) == "/opt/python3.99"
    assert asked == ["3.99"]


def test_when_none_can_be_installed_what_is_there_what_is_wanted_and_what_to_do_is_said(place: Path) -> None:
    (place / "pyproject.toml").write_text("[project]\nrequires-python = '>=3.99'\n")

    def install(one: PythonRequirement) -> str:
        raise ResourceError("no route to host")

    with pytest.raises(ResourceError) as caught:
        interpreters.choose(str(place), install)
    for part in ("found python3 (3.", "expected Python >=3.99 by pyproject.toml", "no route to host", "set `python`"):
        assert part in str(caught.value)


@pytest.mark.attack
@pytest.mark.skipif(os.geteuid() != 0, reason="to give files away takes root")
class TestRoots:
    """An interpreter that is named is root's along its whole path, or is not run."""

    @pytest.fixture
    def named(self, tmp_path: Path) -> Path:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3").write_text("#!/bin/sh\n")
        (tmp_path / "bin/python3").chmod(0o755)
        (tmp_path / "link").symlink_to("bin")
        (tmp_path / "named").symlink_to(tmp_path / "link/../link/python3")
        return tmp_path / "named"

    def test_that_of_root_may_be_named_by_links_of_roots(self, named: Path) -> None:
        interpreters.require_roots(str(named))
        interpreters.require_roots("python3")

    @pytest.mark.parametrize("part", [".", "bin", "link", "bin/python3", "named"])
    def test_no_part_of_its_path_is_anothers(self, named: Path, part: str) -> None:
        os.chown(named.parent / part, 65533, -1, follow_symlinks=False)
        with pytest.raises(ResourceError, match=r"python: found .*/named, but .* is not root's; expected"):
            interpreters.require_roots(str(named))

    @pytest.mark.parametrize("part", ["bin", "bin/python3"])
    @pytest.mark.parametrize("mode", [0o777, 0o775])
    def test_nobody_else_can_write_to_any(self, named: Path, part: str, mode: int) -> None:
        os.chown(named.parent / part, 0, 65533)
        (named.parent / part).chmod(mode)
        with pytest.raises(ResourceError, match="others than root can write to"):
            interpreters.require_roots(str(named))
        assert list(interpreters.on_host(str(named.parent / "bin"))) == []
