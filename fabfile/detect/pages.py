"""An app's page for health checks, and the folder of its static files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .model import App, Finding
from .tree import Module, Tree

_HEALTH = re.compile(r"\^?/?((?:_|api/)?(?:healthz?|healthcheck|livez|readyz|up|ping)/?)\$?")
_MENTIONED = re.compile(rb"\burlpatterns\b|health|livez|readyz|\bup\b|\bping\b|[\"']/?[\"']")
# Methods and functions whose first text is the path of a page: Flask, FastAPI, Starlette, Pyramid, Django.
_ROUTES = frozenset(
    {"route", "get", "api_route", "add_url_rule", "add_api_route", "Route", "path", "re_path", "add_route"}
)
_ROOTS = ("/", "", "^$", r"^\Z")


def health(tree: Tree, app: App | None) -> Finding | None:
    """Find a page for the health check, if the start page is not suitable."""
    modules = tree.modules(_MENTIONED)
    if app and app.framework == "Django":
        # Paths of its apps can be below any prefix.
        modules = [module for module in modules if module.path == f"{app.file.rpartition('/')[0]}/urls.py"]
    routes = [route for module in modules for route in _routes(module)]
    for path, place in routes:
        if found := _HEALTH.fullmatch(path):
            return Finding(f"/{found[1]}", f"{place} has a page of this name")
    paths = [path for path, _ in routes]
    if app is None or any(root in paths for root in _ROOTS):
        return None
    if app.framework == "FastAPI" and "openapi_url" not in tree.text(app.file):
        return Finding("/openapi.json", "the app has no page at /, and FastAPI answers here")
    if app.framework == "Django" and "admin/" in paths:
        return Finding("/admin/login/", "the project has no page at /, and its admin answers here")
    return None


def _routes(module: Module) -> Iterator[tuple[str, str]]:
    """List the paths of a module's pages with their places, without parts that can have any prefix."""
    for node in ast.walk(module.syntax):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        owner = (
            function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
        )
        if called not in _ROUTES or owner not in ("", "app", "application", "api", "config"):
            continue
        if called in ("path", "re_path") and module.file != "urls.py":
            continue
        texts = [value.value for value in node.args if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        # Pyramid's add_route has a name before the path.
        if text := texts[1:2] if called == "add_route" and owner == "config" else texts[:1]:
            yield text[0], f"{module.path} line {node.lineno}"


def static(tree: Tree, app: App | None) -> Finding | None:
    """Find the folder that Flask would serve at /static/, which nginx does faster."""
    if app is None or app.framework != "Flask":
        return None
    folder = app.file.rpartition("/")[0]
    path = f"{folder}/static" if folder else "static"
    return Finding(path, "Flask serves its files at /static/") if tree.has_folder(path) else None
