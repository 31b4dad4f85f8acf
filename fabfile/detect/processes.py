"""Processes beside the site: the release command and workers."""

from __future__ import annotations

import ast
import re
import shlex

from .declared import Declared
from .model import App, Finding
from .tree import Module, Tree

# With this file at the top of the source, `framework: django` makes each deploy migrate.
MANAGE = "manage.py"
_MENTIONED = re.compile(rb"\bCelery\b|\brq\b")


def beside(tree: Tree, app: App | None, declared: Declared) -> dict[str, Finding]:
    """Detect the processes besides `web`, as far as they are clear."""
    found = {"release": _release(tree, app), "worker": _worker(tree, app, declared)}
    return {name: finding for name, finding in found.items() if finding}


def manage(tree: Tree, app: App | None) -> str | None:
    """Find the path of Django's manage.py, beside the package of the app."""
    folder = app.folder if app else ""
    places = [f"{folder}/{MANAGE}" if folder else MANAGE, MANAGE]
    return next((path for path in places if tree.has(path) and "django" in tree.text(path)), None)


def _release(tree: Tree, app: App | None) -> Finding | None:
    path = manage(tree, app)
    if path == MANAGE:
        return None
    if path:
        return Finding(_in_folder(path, "python manage.py migrate --noinput"), f"{path} is Django's")
    for path in tree.files:
        if path.rpartition("/")[2] == "alembic.ini" and path.count("/") < 2:
            return Finding(_in_folder(path, "alembic upgrade head"), f"{path} is Alembic's")
    return None


def _worker(tree: Tree, app: App | None, declared: Declared) -> Finding | None:
    modules = tree.modules(_MENTIONED)
    for module in modules:
        for statement in module.syntax.body:
            if name := _celery(statement):
                place = f"{module.path} line {statement.lineno}"
                return Finding(_celery_command(module, name, app), f"{place} has `{name} = Celery(...)`")
    if "django-rq" in declared.packages and (path := manage(tree, app)):
        reason = f"{declared.packages['django-rq']} requires django-rq"
        return Finding(_in_folder(path, "python manage.py rqworker"), reason)
    for module in modules:
        if module.file == "worker.py" and "rq" in module.imports:
            return Finding(_in_folder(module.path, "python worker.py"), f"{module.path} uses rq")
    if "rq" in declared.packages:
        return Finding("rq worker --url $REDIS_URL", f"{declared.packages['rq']} requires rq")
    return None


def _celery(statement: ast.stmt) -> str:
    """Find the name of the Celery app that a statement creates."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
        return ""
    function, (target, *_) = statement.value.func, statement.targets
    called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return target.id if called == "Celery" and isinstance(target, ast.Name) else ""


def _celery_command(module: Module, name: str, app: App | None) -> str:
    folder = app.folder if app and module.path.startswith(f"{app.folder}/") else ""
    dotted = module.path[len(folder) :].lstrip("/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    words = ["celery", *(["--workdir", folder] if folder else []), "--app", f"{dotted}.{name}", "worker"]
    return shlex.join([*words, "--loglevel", "info"])


def _in_folder(path: str, command: str) -> str:
    """Make a command run in the folder of a file."""
    folder = path.rpartition("/")[0]
    return f"cd {shlex.quote(folder)} && {command}" if folder else command
