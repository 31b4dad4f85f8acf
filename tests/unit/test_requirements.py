"""What a virtualenv is made from: which file of the code counts, what else decides, and what a lock asks for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hostsmith.agent import locks, requirements, system, venv
from hostsmith.resources import ResourceError

LOCKS = Path(__file__).parent.parent / "locks"
TOOLS = {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock", "pipenv": "Pipfile.lock"}


def code(place: Path, **files: str) -> str:
    """A folder of code; in names, `_` stands for the dot."""
    for name, text in files.items():
        (place / name.replace("_", ".")).write_text(text)
    return str(place)


class TestChosen:
    """Without `requirements` in the settings, what is there counts."""

    def test_locks_come_first_in_a_fixed_order_and_then_what_is_written_by_hand(self, place: Path) -> None:
        files = {"uv_lock": "", "poetry_lock": "", "pdm_lock": "", "Pipfile_lock": "", "requirements_txt": ""}
        folder = code(place, **files, pyproject_toml="[project]\n", Pipfile="")
        order = list(requirements.ORDER)
        assert order == [*("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt", "pyproject.toml")]
        for name in order:
            assert requirements.chosen(folder) == tuple(order[order.index(name) :])
            (place / name).unlink()
            (place / "pyproject.toml").write_text("[project]\n")

    def test_a_lock_without_what_it_was_made_from_does_not_count(self, place: Path) -> None:
        folder = code(place, uv_lock="", Pipfile_lock="{}", requirements_txt="flask\n")
        assert requirements.chosen(folder) == ("requirements.txt",)

    @pytest.mark.parametrize("text", ["[project]\nname = 'a'\n", "# a\n\n[ project ]\n"])
    def test_a_pyproject_with_a_project_counts(self, place: Path, text: str) -> None:
        assert requirements.chosen(code(place, pyproject_toml=text)) == ("pyproject.toml",)

    def test_one_for_tools_alone_does_not_and_what_to_do_is_said(self, place: Path) -> None:
        with pytest.raises(ResourceError) as caught:
            requirements.chosen(code(place, pyproject_toml="[tool.ruff]\nline-length = 100\n[project.urls]\n"))
        for part in ("found none of uv.lock, ", "[project]", "name another file in `requirements`", "set it to []"):
            assert part in str(caught.value)


class TestInside:
    """What root reads, and may quote, is of the code: whoever may only deploy must not read the host by it."""

    @pytest.mark.parametrize("target", ["/etc/shadow", "../secret", "sub/../../secret"])
    @pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml", ".python-version", "sub/poetry.lock"])
    def test_a_link_that_leads_out_of_the_code_is_refused(self, place: Path, name: str, target: str) -> None:
        (place / "code/sub").mkdir(parents=True)
        (place / "code" / name).symlink_to(target if target.startswith("/") else f"{'../' * name.count('/')}{target}")
        with pytest.raises(ResourceError, match=f"{name} of the source leads out of it"):
            requirements.require_inside(str(place / "code"), [name])

    def test_so_is_what_lies_beside_a_lock(self, place: Path) -> None:
        (place / "sub").mkdir()
        (place / "sub/poetry.lock").touch()
        (place / "sub/pyproject.toml").symlink_to("/etc/shadow")
        with pytest.raises(ResourceError, match=r"sub/pyproject\.toml of the source leads out of it, to /etc/shadow"):
            requirements.require_inside(str(place), ["sub/poetry.lock"])

    def test_so_is_a_file_in_a_folder_that_leads_out(self, place: Path) -> None:
        (place / "sub").symlink_to("/etc")
        with pytest.raises(ResourceError, match="sub/shadow of the source leads out of it, to /etc/shadow"):
            requirements.require_inside(str(place), ["sub/shadow"])

    def test_one_that_stays_in_it_and_what_is_not_there_are_not(self, place: Path) -> None:
        (place / "requirements").mkdir()
        (place / "requirements/base.txt").touch()
        (place / "requirements.txt").symlink_to("requirements/base.txt")
        requirements.require_inside(str(place), ["requirements.txt", "uv.lock", "Pipfile"])


class TestKey:
    """What makes another virtualenv of it."""

    @pytest.fixture(params=TOOLS)
    def lock(self, request: pytest.FixtureRequest, place: Path) -> Path:
        for file in (LOCKS / request.param).iterdir():
            (place / file.name).write_bytes(file.read_bytes())
        return place / TOOLS[request.param]

    def key(self, *files: Path, release: str = "release-1") -> str:
        return venv.fingerprint(sys.executable, [str(file) for file in files], [], local_key=release)

    def test_the_same_lock_has_the_same_key_in_every_release(self, lock: Path) -> None:
        assert self.key(lock) == self.key(lock, release="release-2")

    def test_the_lock_and_what_it_was_made_from_count(self, lock: Path) -> None:
        found = [self.key(lock)]
        for file in (lock, lock.with_name(requirements.LOCKS[lock.name])):
            file.write_text(file.read_text().replace("2.1.2", "2.2.0") + "\n")
            found.append(self.key(lock))
        assert len(set(found)) == 3

    def test_so_does_which_of_two_files_is_taken(self, place: Path) -> None:
        code(place, uv_lock="", poetry_lock="", pyproject_toml="[project]\n")
        assert self.key(place / "uv.lock") != self.key(place / "poetry.lock")

    def test_what_a_lock_was_made_from_must_be_there(self, lock: Path) -> None:
        origin = requirements.LOCKS[lock.name]
        lock.with_name(origin).unlink()
        with pytest.raises(ResourceError, match=rf"there is no {origin} in the source .*commit both"):
            self.key(lock)

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("uv.lock", 'source = { editable = "lib" }'),
            ("uv.lock", 'source = { directory = "../lib" }'),
            ("poetry.lock", 'type = "directory"'),
            ("pdm.lock", 'path = "./lib"'),
            ("Pipfile.lock", '            "path": "./lib",'),
            ("pyproject.toml", 'dependencies = ["lib @ file:///opt/lib"]'),
        ],
    )
    def test_a_folder_of_the_code_counts_with_the_code(self, place: Path, name: str, line: str) -> None:
        code(place, pyproject_toml="[project]\n", Pipfile="")
        (place / name).write_text(f"{line}\n")
        found = {self.key(place / name, release=release) for release in ("release-1", "release-2")}
        assert len(found) == 2

    def test_the_project_itself_is_not_installed_and_does_not(self, place: Path) -> None:
        code(place, pyproject_toml="[project]\n", uv_lock='source = { editable = "." }\n')
        assert len({self.key(place / "uv.lock", release=release) for release in ("release-1", "release-2")}) == 1


def pipfile_lock(place: Path, sources: Mapping[str, str] | None = None, **packages: dict[str, Any]) -> str:
    found = [{"name": name, "url": url} for name, url in (sources or {}).items()]
    lock = {"_meta": {"sources": found}, "default": packages, "develop": {"six": {}}}
    (place / "Pipfile.lock").write_text(json.dumps(lock))
    return locks.pipfile_lock(str(place / "Pipfile.lock"))


class TestPipfileLock:
    """Pipfile.lock is read here: it becomes what `pipenv requirements --hash` prints."""

    @pytest.mark.parametrize(
        ("entry", "line"),
        [
            ({"version": "==1.0", "hashes": ["sha256:a", "sha256:b"]}, "x==1.0 --hash=sha256:a --hash=sha256:b"),
            ({"version": "==1.0", "markers": "os_name == 'nt'"}, "x==1.0 ; os_name == 'nt'"),
            ({"version": "==1.0", "extras": ["a", "b"]}, "x[a,b]==1.0"),
            ({"version": "*"}, "x"),
            ({"git": "https://example.org/x.git", "ref": "abc"}, "x @ git+https://example.org/x.git@abc"),
            (
                {"git": "https://example.org/x.git", "ref": "abc", "subdirectory": "py"},
                "x @ git+https://example.org/x.git@abc#subdirectory=py",
            ),
            ({"path": "./x", "editable": True}, "./x"),
            (
                {"file": "https://example.org/x.whl", "hashes": ["sha256:a"]},
                "x @ https://example.org/x.whl --hash=sha256:a",
            ),
        ],
    )
    def test_an_entry_is_a_line(self, place: Path, entry: dict[str, Any], line: str) -> None:
        assert pipfile_lock(place, x=entry) == f"{line}\n"

    def test_an_index_of_its_own_is_one_more_and_pypi_is_the_hosts_business(self, place: Path) -> None:
        urls = {"pypi": "https://default.example.org/simple", "ours": "https://index.example.org/simple"}
        found = pipfile_lock(place, urls)
        assert found == "--extra-index-url https://index.example.org/simple\n"

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"default": []}', '{"default": {"a": {"git": "b"}}}'])
    def test_one_that_is_none_is_told(self, place: Path, text: str) -> None:
        (place / "Pipfile.lock").write_text(text)
        with pytest.raises(ResourceError, match=r"Pipfile\.lock: found .*expected what `pipenv lock` writes"):
            locks.pipfile_lock(str(place / "Pipfile.lock"))


def test_lines_with_hashes_and_without_are_installed_apart_and_none_is_editable() -> None:
    text = (
        "--index-url https://index.example.org/simple\n\n# a comment\n"
        "six==1.17.0 ; os_name == 'posix' \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n"
        "-e ./lib\nlib2 @ git+https://example.org/lib2.git@abc\n"
    )
    found = locks.split(text)
    index = "--index-url https://index.example.org/simple\n"
    assert found.hashed == f"{index}six==1.17.0 ; os_name == 'posix' --hash=sha256:a --hash=sha256:b\n"
    assert found.other == f"{index}./lib\nlib2 @ git+https://example.org/lib2.git@abc\n"
    assert found.complete
    assert locks.split("--index-url https://index.example.org/simple\n") == locks.Lines("", "", complete=True)


class TestProject:
    """A pyproject.toml without a lock."""

    def read(self, place: Path, text: str) -> locks.Lines:
        (place / "pyproject.toml").write_text(text)
        return locks.of_project(
            str(place / "pyproject.toml"), lambda argv: system.run(argv).stdout.decode(), sys.executable
        )

    def test_its_dependencies_are_lines(self, place: Path) -> None:
        text = "[project]\nname = 'a'\ndependencies = [\n 'flask>=3',\n \"six; os_name == 'nt'\",\n]\n"
        assert self.read(place, text) == locks.Lines("", "flask>=3\nsix; os_name == 'nt'\n", complete=False)
        assert self.read(place, "[project]\nname = 'a'\n").other == ""

    def test_dependencies_that_a_build_would_make_up_are_refused(self, place: Path) -> None:
        with pytest.raises(ResourceError, match="its dependencies are dynamic, expected them in `dependencies`"):
            self.read(place, "[project]\nname = 'a'\ndynamic = ['version', 'dependencies']\n")

    def test_one_that_is_not_toml_says_where(self, place: Path) -> None:
        with pytest.raises(ResourceError, match=r"pyproject\.toml: .*line 1"):
            self.read(place, "[project\n")
