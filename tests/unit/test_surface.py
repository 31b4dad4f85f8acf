"""What `import hostsmith` gives: all that is promised, whatever was loaded before, and little that nobody asked for."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import hostsmith
import pytest

# What a command that needs none of it must not wait for.
HEAVY = ("jinja2", "pydantic", "rich")


def run(code: str) -> str:
    """What a program of its own prints, in which nothing has been loaded yet."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


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
