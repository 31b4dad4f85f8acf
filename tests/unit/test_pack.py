"""What travels to a host: small, whole, standard library only, and the same bytes each time."""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import hostsmith
import own_resources
import pytest
from hostsmith.connection import pack
from hostsmith.errors import UsageError
from hostsmith.resources import Absent, Directory, File, Reload, Resource, Validated
from own_resources import Append, Half

PACKAGE = Path(hostsmith.__file__).parent
FOLDERS = ("contract", "hostkit", "resources", "agent")
TRAVELLING = [PACKAGE / "_version.py", *sorted(path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, by their full names; of ours, from the folder of the library on."""
    package = ("hostsmith", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


@pytest.mark.parametrize("path", TRAVELLING, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_imports_the_standard_library_and_itself_alone(path: Path) -> None:
    for name in imports(path):
        top, _, rest = name.partition(".")
        assert top in sys.stdlib_module_names or (
            top == "hostsmith" and rest.split(".")[0] in (*FOLDERS, "_version")
        ), name


@pytest.mark.parametrize("path", TRAVELLING, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_is_python_3_10(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 10))


def test_the_zip_holds_all_of_its_packages_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(pack.agent_zip())) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    expected = ["hostsmith/__init__.py", *(f"hostsmith/{path.relative_to(PACKAGE)}" for path in TRAVELLING)]
    assert sorted(names) == sorted(expected)


def test_the_zip_is_the_same_for_the_same_code() -> None:
    pack.agent_zip.cache_clear()
    first = pack.agent_zip()
    pack.agent_zip.cache_clear()
    assert pack.agent_zip() == first


def test_every_module_loads_from_the_zip_alone(tmp_path: Path) -> None:
    """In an interpreter that knows no other package, as on a host."""
    (tmp_path / "agent.zip").write_bytes(pack.agent_zip())
    modules = [f"hostsmith.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}" for path in TRAVELLING]
    script = f"import sys, importlib; sys.path.insert(0, {str(tmp_path / 'agent.zip')!r})\n"
    script += f"for name in {modules!r}: importlib.import_module(name.removesuffix('.__init__'))\n"
    subprocess.run([sys.executable, "-I", "-S", "-W", "error", "-c", script], check=True, cwd=tmp_path)


@pytest.mark.parametrize("password", [False, True])
def test_the_command_has_nothing_that_shells_understand_differently(password: bool) -> None:
    command = pack.start_command(password)
    words = shlex.split(command)
    assert words[:2] == ["/bin/sh", "-c"]
    # In fish a backslash before a quote or another one is an escape, in csh `!` is history, and words have an end.
    assert not re.search(r"[\n!]|\\(?!0[0-7]{3})", command)
    assert max(map(len, words)) < 512
    script = subprocess.check_output(["sh", "-c", 'printf %b "$@"', "sh", *words[4:]], text=True)
    subprocess.run(["/bin/sh", "-n", "-c", script], check=True)
    # A password is sent on standard input, never in a command line, which everyone on the host can read.
    assert ("sudo -H -S" if password else "sudo -H -n") in script


def test_an_old_python_can_read_what_tells_that_it_is_too_old() -> None:
    ast.parse(pack._BOOTSTRAP, feature_version=(3, 4))


class TestOwnModules:
    """A project's own resources and handlers."""

    SOURCE = Path(own_resources.__file__).read_text()

    def test_ours_need_none(self) -> None:
        assert pack.own_modules([File("/a", "x", notify=Reload("nginx")), Directory("/b")]) == {}

    @pytest.mark.parametrize(
        "resource",
        [
            Half("/a"),
            File("/a", "x", notify=Append("/b")),
            File("/a", "x", notify=(Reload("nginx"), Append("/b"))),
            Validated("a", (Validated("b", (Half("/a"),)),)),
            Validated("a", (Absent("/a", notify=Append("/b")),)),
        ],
        ids=["resource", "handler", "handlers", "groups", "handler-in-group"],
    )
    def test_the_module_travels_whole_wherever_its_class_is_used(self, resource: Resource) -> None:
        assert pack.own_modules([resource]) == {"own_resources": self.SOURCE}

    def test_a_class_in_a_fabfile_cannot_travel_and_is_told_where_to_go(self) -> None:
        class Odd(Absent):
            pass

        for module in ("fabfile", "__main__"):
            Odd.__module__ = module
            with pytest.raises(UsageError, match=f"Odd is defined in {module}, .*move it to a separate module"):
                pack.own_modules([Odd("/a")])

    def test_the_modules_of_the_classes_it_is_made_from_travel_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "derived_resource.py").write_text("from own_resources import Half\nclass More(Half):\n    pass\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        import derived_resource

        assert list(pack.own_modules([derived_resource.More("/a")])) == ["own_resources", "derived_resource"]
