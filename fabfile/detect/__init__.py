"""Detection of a project's kind from its files, which are never run."""

from __future__ import annotations

import re
from pathlib import Path

from ..settings.procfile import load_procfile
from .code import apps
from .declared import Declared, declared, services
from .model import App, Finding, Project
from .pages import health, static
from .paste import needs_itself, paste_apps
from .processes import MANAGE, beside, manage
from .tree import Tree

__all__ = ["App", "Finding", "Project", "detect"]

# Packages that mean that Django is served by ASGI.
_ASGI_PACKAGES = ("channels", "daphne", "uvicorn", "uvicorn-worker")
_WEBSOCKET_PACKAGES = ("websockets", "wsproto", "uvicorn[standard]", "fastapi[standard]")
_WEBSOCKET = re.compile(rb"\bWebSocket\b|\.websocket\(|WebsocketConsumer")


def detect(folder: Path) -> Project:
    """Detect the project in a folder.

    :raises SettingsError: its Procfile is invalid.
    """
    tree = Tree(folder)
    found, remarks = apps(tree)
    if pasted := paste_apps(tree):
        # The file configures the app, which its code alone does not.
        found = [*pasted, *(app for app in found if app.framework not in ("Pyramid", "WSGI"))]
        remarks = []
    says = declared(tree, found[0].folder if found else "")
    found = _in_order(found, says)
    app, others = (found[0], tuple(found[1:])) if found else (None, ())
    processes = _processes(tree, folder, app, says)
    return Project(
        says.name or Finding(folder.absolute().name, "this is the name of the folder"),
        app,
        others,
        processes,
        "web" in processes and tree.has("Procfile") and "web" not in load_procfile(folder),
        says.requirements,
        health(tree, app),
        static(tree, app),
        Finding("django", f"{MANAGE} is Django's") if _is_known_django(tree, app) else None,
        services(says),
        (*remarks, *says.remarks, *_remarks(tree, app, says)),
    )


def _in_order(found: list[App], says: Declared) -> list[App]:
    """Sort the apps, the likeliest first: Django has two, and most sites use WSGI."""
    if not found or found[0].framework != "Django":
        return found
    interface = "asgi" if any(name in says.packages for name in _ASGI_PACKAGES) else "wsgi"
    return sorted(found, key=lambda app: (app.framework != "Django", app.interface != interface))


def _is_known_django(tree: Tree, app: App | None) -> bool:
    return app is not None and app.framework == "Django" and manage(tree, app) == MANAGE


def _processes(tree: Tree, folder: Path, app: App | None, says: Declared) -> dict[str, Finding]:
    """Detect the processes; those of the Procfile win."""
    written = {name: Finding(command, "the Procfile has it") for name, command in load_procfile(folder).items()}
    guessed = {} if written else beside(tree, app, says)
    web = {"web": Finding(app.command, app.reason)} if app else {}
    return {**web, **guessed, **written}


def _remarks(tree: Tree, app: App | None, says: Declared) -> list[str]:
    found = [f"{path} was skipped: {reason}" for path, reason in tree.unread.items()]
    if app is None and manage(tree, None):
        found.append("manage.py is Django's, but there is no wsgi.py with `get_wsgi_application()`")
    if app is None:
        return found
    settings = f"{app.file.rpartition('/')[0]}/settings.py"
    if _is_known_django(tree, app) and tree.has(settings) and "STATIC_ROOT" not in tree.text(settings):
        found.append(
            f"{settings} must read STATIC_ROOT, SECRET_KEY, ALLOWED_HOSTS and others from the environment: "
            "docs/django.md of hostsmith has the lines"
        )
    if says.requirements is None:
        found.append("there is no requirements.txt, pyproject.toml or lock: only the server will be installed")
    elif needs_itself(tree, app, says.requirements.value):
        found.append(
            f"{app.file} uses the project as a package, which is not installed: write `use = call:...` instead, or add "
            "a line `.` to requirements.txt"
        )
    speaks_websocket = any(name in says.packages for name in _WEBSOCKET_PACKAGES)
    if app.interface == "asgi" and not speaks_websocket and tree.modules(_WEBSOCKET):
        found.append("the app has websockets: add `uvicorn[standard]`, which supports them, to the requirements")
    return found
