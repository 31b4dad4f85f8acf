"""What `import hostsmith` gives: all that is promised, whatever was loaded before, and little that nobody asked for."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import hostsmith
import pytest

# What users may rely on: a name that goes, or comes, needs a line in the CHANGELOG.
PUBLIC = {
    "hostsmith": """
        Absent Change Command Directory File GitCheckout Group Handler Package Program Reload Report
        Resource ResourceError Restart Result Secret Service Symlink Template User Validated
        Virtualenv __version__ backup backups converge converge_all deploy doctor errors hosts
        hosts_for init load logs manage ns pending plan provision ps recipes releases restart
        restore role rollback run scale serve shell status task unlock
    """,
    "hostsmith.resources": """
        Absent Change Command Directory File GitCheckout Group Handler Package Program Reload
        Resource ResourceError Restart Secret Service Symlink User Validated Virtualenv
    """,
    "hostsmith.recipes": """
        app backup deployers firewall haproxy hardening maintenance nginx processes provision python
        release servers services static supervisor system tls
    """,
    "hostsmith.services": """
        Access AppService Argv KeptFile Port PortGuard Restore Service ServiceOptions known register
    """,
    "hostsmith.errors": """
        AgentError BackupError ConnectError ConvergeError DriftError FleetError HostKeyError
        HostsmithError InterruptedRunError LockedError LostError PatchworkError ReleaseError
        SandboxError SecretsError ServiceError SettingsError SourceError UsageError
    """,
    "hostsmith.patchwork": """
        environment files info packages ssh_options transfers util
    """,
}
LIST = """
import sys
from fabric.main import program

try:
    program.run(["fab", "--list"])
finally:
    print("\\n", *sys.modules)
"""
RECIPE = """
import sys
from hostsmith.recipes import provision
from hostsmith.settings.project import Settings

provision(Settings(app="blog", processes={"web": "gunicorn blog:app"}, roles={"web": ["web1"]}), {"web"})
print(*sys.modules)
"""
CONSOLE = """
import sys
from hostsmith.console import Console

console = Console()
with console.fleet(["web1", "web2"], "deploy"):
    console.event("web1", {"event": "result", "resource": "a", "state": "changed", "seconds": 0})
console.table(["A"], [["1"]])
print(*sys.modules)
"""


def run(code: str, folder: Path | None = None) -> str:
    """What a program of its own prints, in which nothing has been loaded yet."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60, cwd=folder
    )
    return done.stdout


def loaded(code: str, folder: Path | None = None) -> set[str]:
    """The modules that a program has loaded, which it prints in its last line."""
    return set(run(code, folder).splitlines()[-1].split())


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_those_that_are_promised(package: str) -> None:
    module = importlib.import_module(package)
    if package == "hostsmith.patchwork":
        names = {each.name for each in pkgutil.iter_modules(module.__path__)}
    elif package == "hostsmith.errors":
        names = {name for name, value in vars(module).items() if getattr(value, "__module__", None) == package}
    else:
        names = set(module.__all__)
    assert names == set(PUBLIC[package].split())


def test_all_names_can_be_imported_at_once() -> None:
    names = json.loads(run("import json; from hostsmith import *; print(json.dumps(sorted(globals())))"))
    assert set(hostsmith.__all__) <= set(names)


def test_a_type_checker_is_told_of_the_same_names() -> None:
    module = ast.parse(Path(hostsmith.__file__).read_text(encoding="utf-8"))
    told = {name.name for node in ast.walk(module) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert set(hostsmith.__all__) <= told


def test_no_module_takes_the_place_of_a_name() -> None:
    modules = run(
        "import importlib, pkgutil, types, hostsmith\n"
        "for each in pkgutil.iter_modules(hostsmith.__path__, 'hostsmith.'):\n"
        "    each.name.endswith('__main__') or importlib.import_module(each.name)\n"
        "print(*(name for name in hostsmith.__all__ if isinstance(getattr(hostsmith, name), types.ModuleType)))"
    )
    assert modules.split() == ["errors", "recipes"]


def test_a_name_that_there_is_not_is_no_attribute() -> None:
    assert not hasattr(hostsmith, "provison")
    with pytest.raises(AttributeError, match="'provison'"):
        hostsmith.recipes.provison  # noqa: B018


@pytest.mark.parametrize(
    "name", ["recipes.nginx.site", "recipes.provision", "recipes.release.prepared", "errors.UsageError"]
)
def test_modules_need_no_import_of_their_own(name: str) -> None:
    assert run(f"import hostsmith; print(hostsmith.{name}.__name__)").split() == [name.rpartition(".")[2]]


@pytest.mark.parametrize("package", ["archive", "environment", "recipes", "views"])
def test_packages_that_load_their_modules_on_first_use_have_all_that_they_name(package: str) -> None:
    found = importlib.import_module(f"hostsmith.{package}")
    for name in found.__all__:
        assert getattr(found, name).__name__.rpartition(".")[2] == name


class TestWhatNobodyWaitsFor:
    """A command loads what it needs, and not the rest: counted by modules, for seconds depend on the machine."""

    def test_a_list_of_all_tasks_needs_no_settings_no_recipes_and_nothing_to_draw_with(self, tmp_path: Path) -> None:
        (tmp_path / "fabfile.py").write_text("from hostsmith import ns\n")
        found = loaded(LIST, tmp_path)
        assert "hostsmith.tasks.deploy" in found
        assert not found & {"jinja2", "pydantic", "rich", "sqlite3", "xmlrpc.client"}
        assert not {name for name in found if name.startswith("hostsmith.recipes.")}
        packages = ("archive", "detect", "local", "sandbox", "services", "views")
        assert not [name for name in found if name.startswith(tuple(f"hostsmith.{package}." for package in packages))]

    def test_a_fabfile_of_resources_alone_waits_for_no_task(self) -> None:
        found = loaded("import sys; from hostsmith import File, Package; print(*sys.modules)")
        assert "hostsmith.resources.package" in found
        assert not [name for name in found if name.startswith(("hostsmith.tasks.", "hostsmith.recipes."))]

    def test_a_site_without_balancer_and_backups_waits_for_neither(self) -> None:
        found = loaded(RECIPE)
        assert "hostsmith.recipes.nginx" in found
        assert not found & {"hostsmith.recipes.haproxy", "hostsmith.inventory.parts", "jinja2", "sqlite3"}

    def test_a_pipe_needs_no_rich(self) -> None:
        found = loaded(CONSOLE)
        assert "hostsmith.console.output" in found
        assert "rich" not in found


class TestGarbage:
    """Python looks for garbage where there is some: not while a command starts, and not when it ends."""

    def test_a_command_that_ends_leaves_what_it_has_to_the_end_of_its_process(self, tmp_path: Path) -> None:
        (tmp_path / "fabfile.py").write_text(
            "import atexit, gc\n"
            # What was registered first is called last.
            "atexit.register(lambda: print(gc.get_freeze_count()))\n"
            "from hostsmith import ns\n"
        )
        *_, frozen = run(
            "import sys; from fabric.main import program; program.run(['fab', '--list'])", tmp_path
        ).split()
        assert int(frozen) > 1000

    def test_a_program_of_ones_own_has_it_as_it_was(self) -> None:
        ask = "import gc; print(gc.get_threshold(), gc.get_freeze_count())"
        assert run(f"import hostsmith; hostsmith.ns; {ask}") == run(ask)
