"""Apps in PasteDeploy files, such as Pyramid's production.ini."""

from __future__ import annotations

import configparser
import re

from .model import App
from .tree import Tree

_SECTIONS = ("composite:main", "pipeline:main", "app:main")
# Files for development or tests, which are used only if there is no other.
_NOT_FOR_A_SERVER = ("development", "dev", "local", "test", "testing")


def paste_apps(tree: Tree) -> list[App]:
    """Find the apps of `.ini` files in the upper folders, the likeliest first."""
    found = []
    for path in tree.files:
        if path.endswith(".ini") and path.count("/") < 2 and (section := _section(tree, path)):
            name, use = section
            folder = path.rpartition("/")[0]
            reason = f"{path} has a section [{name}]" + (f" with `use = {use}`" if use else "")
            framework = "Pyramid" if "pyramid" in tree.text(path).lower() else "PasteDeploy"
            found.append(App(framework, "paste", path[len(folder) :].lstrip("/"), folder, path, "", reason))
    return sorted(found, key=_likelihood)


def needs_itself(tree: Tree, app: App, requirements: str) -> bool:
    """Whether an app needs the project installed as a package, and no requirement installs it.

    :param requirements: the requirements file; empty without one.
    """
    found = _section(tree, app.file) if app.interface == "paste" else None
    used = re.match(r"egg:([\w.-]+)", found[1]) if found else None
    if not used:
        return False
    package = f"{app.folder}/{used[1]}".lstrip("/").replace("-", "_")
    is_here = tree.has(f"{package}/__init__.py") or tree.has(f"src/{package}/__init__.py")
    return is_here and not re.search(r"^\s*(-e\s*|--editable[\s=])?\.", tree.text(requirements), re.MULTILINE)


def _likelihood(app: App) -> tuple[bool, bool, int, str]:
    name = app.target.removesuffix(".ini")
    return name in _NOT_FOR_A_SERVER, not name.startswith("prod"), app.file.count("/"), app.file


def _section(tree: Tree, path: str) -> tuple[str, str] | None:
    """Find the section of the app, and the value of its `use`."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(tree.text(path))
    except configparser.Error:
        return None
    name = next((name for name in _SECTIONS if parser.has_section(name)), None)
    return (name, parser.get(name, "use", fallback="")) if name else None
