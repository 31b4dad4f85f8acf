"""What a virtualenv is made from: which file of the code counts, what else decides, and what a lock asks for."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hostsmith.hostkit.build import locks, origins, requirements, virtualenv
from hostsmith.hostkit.linux import source_file, system
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
        for part in ("there is none of uv.lock, ", "[project]", "name another file in `requirements`", "set it to []"):
            assert part in str(caught.value)


def read(place: Path, *names: str) -> dict[str, bytes]:
    """All that is read of some code for the requirement files of these names."""
    found = requirements.parts([f"{place}/{name}" for name in names], functools.partial(source_file.read, str(place)))
    return {path.removeprefix(f"{place}/"): content for path, content in found}


class TestInside:
    """What root reads, and may quote, is of the code: whoever may only deploy must not read the host by it."""

    @pytest.mark.parametrize("target", ["/etc/shadow", "../secret", "sub/../../secret"])
    @pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml", ".python-version", "sub/poetry.lock"])
    def test_a_link_that_leads_out_of_the_code_is_refused(self, place: Path, name: str, target: str) -> None:
        (place / "code/sub").mkdir(parents=True)
        (place / "code" / name).symlink_to(target if target.startswith("/") else f"{'../' * name.count('/')}{target}")
        with pytest.raises(ResourceError, match=f"{name} of the source leads outside it"):
            source_file.read(str(place / "code"), name)

    def test_so_is_what_lies_beside_a_lock(self, place: Path) -> None:
        (place / "sub").mkdir()
        (place / "sub/poetry.lock").touch()
        (place / "sub/pyproject.toml").symlink_to("/etc/shadow")
        with pytest.raises(ResourceError, match=r"sub/pyproject\.toml of the source leads outside it, to /etc/shadow"):
            read(place, "sub/poetry.lock")

    def test_so_is_a_file_in_a_folder_that_leads_out(self, place: Path) -> None:
        (place / "sub").symlink_to("/etc")
        with pytest.raises(ResourceError, match="sub/shadow of the source leads outside it, to /etc/shadow"):
            source_file.read(str(place), "sub/shadow")

    def test_one_that_stays_in_it_and_what_is_not_there_are_not(self, place: Path) -> None:
        (place / "requirements").mkdir()
        (place / "requirements/base.txt").touch()
        (place / "requirements.txt").symlink_to("requirements/base.txt")
        assert source_file.read(str(place), "requirements.txt") == b""
        assert source_file.read(str(place), "uv.lock") is None


class TestIncluded:
    """What a requirements file includes is found as pip finds it, and is of the code as well."""

    @pytest.mark.parametrize(
        "text",
        [
            "-r base.txt",
            "-rbase.txt",
            "  -r   base.txt  # the base",
            "-r=base.txt",
            "--requirement base.txt",
            "--requirement=base.txt",
            "--requirem base.txt",
            "-c base.txt",
            "--constraint='base.txt'",
            '-r "base.txt"',
            "-r \\\nbase.txt",
            "--pre -r base.txt",
            "six\x0c-r base.txt",
            "\ufeff-r base.txt",
        ],
    )
    def test_in_all_the_ways_in_which_pip_reads_it(self, place: Path, text: str) -> None:
        (place / "base.txt").touch()
        (place / "requirements.txt").write_bytes(text.encode())
        assert set(read(place, "requirements.txt")) == {"requirements.txt", "base.txt"}

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
    def test_in_whatever_encoding_its_mark_says(self, place: Path, encoding: str) -> None:
        (place / "base.txt").touch()
        (place / "requirements.txt").write_bytes("-r base.txt\n".encode(encoding))
        assert "base.txt" in read(place, "requirements.txt")
        (place / "requirements.txt").write_bytes(b"# coding: utf-7\n+AC0-r base.txt\n")
        assert "base.txt" in read(place, "requirements.txt")

    @pytest.mark.parametrize("text", ["# -r base.txt", "six # -r base.txt", "-i https://example.org/-r/base.txt"])
    def test_what_pip_does_not_include_is_not_looked_for(self, place: Path, text: str) -> None:
        (place / "requirements.txt").write_text(text)
        assert set(read(place, "requirements.txt")) == {"requirements.txt"}

    @pytest.mark.parametrize(
        "text",
        ["-r /etc/shadow", "-r ../secret.txt", "-r sub/next.txt", "-c link.txt", "-r /dev/zero",
         "-r ${HOME}/secret.txt", "-r file:///etc/shadow", "--pre --req /etc/shadow", "-r $(pwd)/../secret.txt",
         "-r pipe", "-r sub", "-r \0",
         "# coding: rot13\n", "# coding: no-such\n", "-r 'secret.txt"],
    )  # fmt: skip
    def test_what_is_not_a_file_of_the_code_is_refused_and_not_read(self, place: Path, text: str) -> None:
        (place.parent / "secret.txt").write_text("--pre\n")
        (place / "sub").mkdir()
        (place / "sub/next.txt").write_text("-r ../../secret.txt\n")
        (place / "link.txt").symlink_to("/etc/shadow")
        os.mkfifo(place / "pipe")
        (place / "requirements.txt").write_text(text)
        with pytest.raises(ResourceError):
            read(place, "requirements.txt")

    def test_a_file_of_a_size_that_nobody_writes_is_refused(self, place: Path) -> None:
        with (place / "requirements.txt").open("wb") as file:
            file.truncate(source_file.LARGEST + 1)
        with pytest.raises(ResourceError, match="larger than 32 MB"):
            read(place, "requirements.txt")


class TestKey:
    """What makes another virtualenv of it."""

    @pytest.fixture(params=TOOLS)
    def lock(self, request: pytest.FixtureRequest, place: Path) -> Path:
        for file in (LOCKS / request.param).iterdir():
            (place / file.name).write_bytes(file.read_bytes())
        return place / TOOLS[request.param]

    def key(self, *files: Path, release: str = "release-1") -> str:
        return virtualenv.fingerprint(sys.executable, [str(file) for file in files], [], local_key=release)

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
    return locks.pipfile_lock("Pipfile.lock", (place / "Pipfile.lock").read_bytes())


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
            ({"git": "git@example.org:a/x.git", "ref": "abc"}, "x @ git+ssh://git@example.org/a/x.git@abc"),
            ({"git": "example.org:/a/x.git", "ref": "abc"}, "x @ git+ssh://example.org/a/x.git@abc"),
            ({"git": "git+ssh://git@example.org/x.git", "ref": "abc"}, "x @ git+ssh://git@example.org/x.git@abc"),
            ({"git": "ssh://git@example.org:22/x.git", "ref": "abc"}, "x @ git+ssh://git@example.org:22/x.git@abc"),
            ({"hg": "https://example.org/x", "ref": "abc"}, "x @ hg+https://example.org/x@abc"),
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
        urls = {"pypi": "https://pypi.org/simple", "ours": "https://index.example.org/simple"}
        found = pipfile_lock(place, urls)
        assert found == "--extra-index-url https://index.example.org/simple\n"
        # It is by its address that it is PyPI, and not by its name.
        found = pipfile_lock(place, {"pypi": "https://index.example.org/simple"})
        assert found == "--extra-index-url https://index.example.org/simple\n"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"default": []}',
            '{"default": {"a": {"git": "b"}}}',
            '{"default": {"a": {"elsewhere": "b"}}}',
            "[" * 100_000,
        ],
    )
    def test_one_that_is_none_is_told(self, place: Path, text: str) -> None:
        (place / "Pipfile.lock").write_text(text)
        with pytest.raises(ResourceError, match=r"Pipfile\.lock: not a valid Pipfile\.lock .*run `pipenv lock` again"):
            locks.pipfile_lock("Pipfile.lock", (place / "Pipfile.lock").read_bytes())


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
    assert locks.split("--index-url https://index.example.org/simple\n") == locks.RequirementLines(
        "", "", complete=True
    )


@pytest.mark.parametrize(
    ("name", "lock", "line"),
    [
        ("uv.lock", 'source = { registry = "https://index.example.org/simple" }\n', "ours==1.0"),
        ("poetry.lock", "--extra-index-url https://index.example.org/simple\n", "ours==1.0 ; os_name == 'posix'"),
        ("Pipfile.lock", "--extra-index-url https://index.example.org/simple\n", "ours"),
        ("uv.lock", 'source = { registry = "../packages" }\n', "ours[extra]==1.0"),
    ],
)
def test_a_package_without_a_hash_is_refused_beside_an_index_that_is_not_the_hosts(
    name: str, lock: str, line: str
) -> None:
    locks.require_told_apart(name, "--index-url https://pypi.org/simple\n", locks.split(f"{line}\n"))
    locks.require_told_apart(
        name, lock, locks.split(f"{line} --hash=sha256:a\n./lib\nx @ git+https://example.org/x@a\n")
    )
    with pytest.raises(ResourceError, match=rf"{name}: found .ours.*without a hash beside the index"):
        locks.require_told_apart(name, lock, locks.split(f"{line}\n"))


class TestOrigins:
    """What a pyproject.toml says of where dependencies come from."""

    def document(self, place: Path, text: str) -> origins.Document:
        (place / "pyproject.toml").write_text(f'[project]\nname = "a"\n{text}')
        path = str(place / "pyproject.toml")
        return origins.read(path, lambda argv: system.run(argv).stdout.decode(), sys.executable)

    @pytest.mark.parametrize(
        "table",
        [
            "[tool.uv.sources]\nours = { workspace = true }\n",
            "[tool.uv.sources.ours]\ngit = 'https://example.org/ours'\n",
            "[[tool.uv.index]]\nurl = 'https://index.example.org/simple'\n",
            "[tool.uv]\nindex-url = 'https://index.example.org/simple'\n",
            "[tool.uv]\noverride-dependencies = ['ours @ https://example.org/ours.whl']\n",
            "[tool.uv.pip]\nextra-index-url = ['https://index.example.org/simple']\n",
        ],
    )
    def test_tables_of_uvs_are_for_uv_and_refused_for_pip(self, place: Path, table: str) -> None:
        document = self.document(place, table)
        document.require_no_others()
        with pytest.raises(ResourceError, match=r"pyproject\.toml: found \[tool\.uv\] .*Commit uv\.lock"):
            document.require_nothing_of_uv()

    @pytest.mark.parametrize(
        "table",
        [
            "[[tool.poetry.source]]\nname = 'ours'\nurl = 'https://index.example.org/simple'\n",
            "[tool.poetry.dependencies]\nours = { git = 'https://example.org/ours.git' }\n",
            "[tool.poetry.dependencies]\nours = { source = 'ours' }\n",
            "[tool.poetry.dependencies]\nours = [{ version = '1' }, { path = '../ours' }]\n",
            "[[tool.pdm.source]]\nurl = 'https://index.example.org/simple'\n",
            "[tool.pdm.resolution.overrides]\nours = 'https://example.org/ours.whl'\n",
            "[[tool.poetry.source]]\nname = 'pypi'\nurl = 'https://index.example.org/simple'\n",
            "[[tool.rye.sources]]\nname = 'ours'\nurl = 'https://index.example.org/simple'\n",
            "[tool.pip-tools]\nindex-url = 'https://index.example.org/simple'\n",
            "[tool.pip-tools.compile]\nextra_index_url = ['https://index.example.org/simple']\n",
            "[tool.pip-tools]\npip-args = '--index-url https://index.example.org/simple'\n",
            "[tool.pixi.pypi-dependencies]\nours = { git = 'https://example.org/ours.git' }\n",
            "[tool.pixi.pypi-options]\nextra-index-urls = ['https://index.example.org/simple']\n",
        ],
    )
    def test_tables_that_neither_reads_are_refused_with_what_to_do(self, place: Path, table: str) -> None:
        with pytest.raises(
            ResourceError, match=r"pyproject\.toml: found \[.*only its tool reads it.*Commit .*(lock|name it)"
        ):
            self.document(place, table).require_no_others()

    def test_tables_that_say_nothing_of_it_are_nobodys_business(self, place: Path) -> None:
        text = (
            "[tool.uv]\npackage = false\ndev-dependencies = ['six']\n[[tool.uv.index]]\nname = 'x'\nurl = 'https://x'\n"
            "explicit = true\n[tool.poetry.dependencies]\npython = '^3.10'\nflask = { source = 'PyPI' }\n"
            "[tool.pdm]\ndistribution = false\n[tool.ruff]\nline-length = 100\n[tool.uv.pip]\ngenerate-hashes = true\n"
            "[tool.poetry]\nname = 'a'\n[[tool.poetry.source]]\nname = 'PyPI'\npriority = 'primary'\n"
            "[[tool.poetry.source]]\nname = 'ours'\nurl = 'https://x'\npriority = 'explicit'\n"
            "[[tool.pdm.source]]\nname = 'pypi'\nurl = 'https://pypi.org/simple'\n[tool.pdm.version]\nsource = 'scm'\n"
            "[tool.rye]\nmanaged = true\ndev-dependencies = ['six']\n[tool.hatch.version]\npath = 'a.py'\n"
            "[tool.pip-tools]\nstrip-extras = true\npip-args = '--only-binary :all:'\n"
            "[tool.pixi.pypi-dependencies]\na = { path = '.', editable = true }\nflask = '*'\n"
            "[tool.pixi.pypi-options]\nno-build = true\n"
        )
        document = self.document(place, text)
        document.require_no_others()
        document.require_nothing_of_uv()
        assert not document.has_index()

    @pytest.mark.parametrize("key", ["override-dependencies", "constraint-dependencies"])
    def test_versions_that_a_list_beside_has_already_said_are_not_missed(self, place: Path, key: str) -> None:
        document = self.document(place, f"[tool.uv]\n{key} = ['My.Six<2']\n")
        document.require_nothing_beside_sources({"my-six"})
        document.require_no_sources()
        elsewhere = self.document(place, f"[tool.uv]\n{key} = ['my-six @ https://example.org/six.whl']\n")
        for one, pinned in ((document, {"flask"}), (elsewhere, {"my-six"})):
            with pytest.raises(ResourceError, match=rf"found \[tool\.uv\] {key}"):
                one.require_nothing_beside_sources(pinned)


class TestBeside:
    """What a line asks for that lies beside its file, as pip and uv find it."""

    @pytest.mark.parametrize(
        "line",
        [
            *(
                "-e lib",
                "-elib",
                "-e=lib",
                "--editable lib",
                "--editable=lib",
                "--edit lib",
                "-e 'lib'",
                "--pre -e lib",
            ),
            *("-e ./lib#egg=libx", "-e lib[x]", "-e lib ; python_version > '3'", "-e libx @ file:lib", "-e ./lib/"),
            *("libx @ file:lib", "lib [x]@ file:./lib", "libx[x]@file:./lib", "libx @ lib", "libx@./lib", "./lib[x]"),
            *("file:lib", "file://lib", "FILE:lib", "file:l%69b", "file:///app/lib", "file://localhost/app/lib"),
            *(
                "./lib",
                "lib/",
                "other/../lib",
                "./lib ; python_version > '3'",
                "./lib; os_name == 'posix'",
                "./lib;os_name == 'nt'",
                "./lib -e x",
            ),
            *("-e ${PROJECT_ROOT}/lib", "libx @ file:///${PROJECT_ROOT}/lib", "./lib --hash=sha256:a", "/app/lib"),
        ],
    )
    def test_a_folder_in_all_the_ways_in_which_they_read_it(self, line: str) -> None:
        assert requirements.beside("requirements.txt", line, "/app") == "/app/lib"
        assert requirements.is_local("/app/requirements.txt", line.encode())

    def test_an_archive_is_one_also_by_its_name_alone(self) -> None:
        for name in ("libx-1.0.tar.gz", "libx-1.0-py3-none-any.whl"):
            assert requirements.beside("requirements.txt", name, "/app") == f"/app/{name}"

    @pytest.mark.parametrize(
        "line",
        [
            *(
                "six",
                "six==1.17.0 --hash=sha256:a",
                "six[a,b] >= 1 ; os_name == 'nt'",
                "six;os_name=='nt'",
                "six (>=1)",
            ),
            *(
                "six @ https://example.org/six.whl",
                "six@git+ssh://git@example.org/six.git@v1#egg=six",
                "--pre",
                "lib.x",
            ),
            *(
                "-e git+https://example.org/six.git@v1#egg=six",
                "git+https://${TOKEN}@example.org/six.git",
                "-r lib/a.txt",
            ),
            *("https://example.org/six.whl ; os_name == 'nt'", "-i https://example.org/simple", "--find-links ./lib"),
        ],
    )
    def test_what_is_from_elsewhere_is_not(self, line: str) -> None:
        assert requirements.beside("requirements.txt", line, "/app") is None

    @pytest.mark.parametrize("line", ["six lib", "-e ${LIB}/x", "libx @ file:", "${LIB}/x", "-e 'lib"])
    def test_what_is_not_understood_is_refused(self, line: str) -> None:
        with pytest.raises(ResourceError, match=r"requirements\.txt: .*expected "):
            requirements.beside("requirements.txt", line, "/app")

    def test_the_packages_of_one_version(self, place: Path) -> None:
        text = "My_Six==1.0 \\\n --hash=sha256:a\nflask[a]===3 ; os_name == 'nt'\nwerkzeug==3.*\nclick>=8\n-e .\n"
        file = code(place, requirements_txt=text) + "/requirements.txt"
        found = requirements.pinned([file], functools.partial(source_file.read, str(place)))
        assert found == {"my-six", "flask"}


class TestProject:
    """A pyproject.toml without a lock."""

    def read(self, place: Path, text: str) -> locks.RequirementLines:
        (place / "pyproject.toml").write_text(text)
        path = str(place / "pyproject.toml")
        return locks.of_project(origins.read(path, lambda argv: system.run(argv).stdout.decode(), sys.executable))

    def test_its_dependencies_are_lines(self, place: Path) -> None:
        text = "[project]\nname = 'a'\ndependencies = [\n 'flask>=3',\n \"six; os_name == 'nt'\",\n]\n"
        assert self.read(place, text) == locks.RequirementLines("", "flask>=3\nsix; os_name == 'nt'\n", complete=False)
        assert self.read(place, "[project]\nname = 'a'\n").other == ""

    def test_dependencies_that_a_build_would_make_up_are_refused(self, place: Path) -> None:
        with pytest.raises(ResourceError, match="found dynamic dependencies, expected them in `dependencies`"):
            self.read(place, "[project]\nname = 'a'\ndynamic = ['version', 'dependencies']\n")

    def test_one_that_is_not_toml_says_where(self, place: Path) -> None:
        with pytest.raises(ResourceError, match=r"pyproject\.toml: .*line 1"):
            self.read(place, "[project\n")
