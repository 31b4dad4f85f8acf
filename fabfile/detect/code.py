"""Apps in a project's code: variables, factories and plain callables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .model import App, Interface
from .tree import Module, Tree

# Constructors of apps by their full names.
_MAKERS: dict[str, tuple[str, Interface]] = {
    "flask.Flask": ("Flask", "wsgi"),
    "bottle.Bottle": ("Bottle", "wsgi"),
    "bottle.default_app": ("Bottle", "wsgi"),
    "falcon.App": ("Falcon", "wsgi"),
    "django.core.wsgi.get_wsgi_application": ("Django", "wsgi"),
    "django.core.asgi.get_asgi_application": ("Django", "asgi"),
    "channels.routing.ProtocolTypeRouter": ("Django", "asgi"),
    "fastapi.FastAPI": ("FastAPI", "asgi"),
    "fastapi.applications.FastAPI": ("FastAPI", "asgi"),
    "starlette.applications.Starlette": ("Starlette", "asgi"),
    "falcon.asgi.App": ("Falcon", "asgi"),
    "litestar.Litestar": ("Litestar", "asgi"),
    "quart.Quart": ("Quart", "asgi"),
}
_MENTIONED = re.compile(
    rb"flask|bottle|falcon|django|channels|fastapi|starlette|litestar|quart|make_wsgi_app|start_response|"
    rb"\breceive\b|\bcreate_app\b|\bmake_app\b"
)
_CALLABLES: dict[tuple[str, ...], tuple[str, Interface]] = {
    ("environ", "start_response"): ("WSGI", "wsgi"),
    ("scope", "receive", "send"): ("ASGI", "asgi"),
}
_ENTRY_FILES = ("wsgi.py", "asgi.py")
_USUAL_FILES = ("app.py", "application.py", "main.py", "__init__.py", "server.py")
_USUAL_NAMES = ("app", "application")
# A folder with one of these files is a root for imports.
_PROJECT_FILES = ("manage.py", "requirements.txt", "pyproject.toml", "setup.py", "Pipfile")


@dataclass(frozen=True)
class _Made:
    """An app that an expression creates."""

    framework: str
    interface: Interface


def apps(tree: Tree) -> tuple[list[App], list[str]]:
    """Find all apps in the code, the likeliest first, and remark on those that cannot be served."""
    modules = [_Reader(tree, module) for module in tree.modules(_MENTIONED, _ENTRY_FILES)]
    factories = {name: made for reader in modules for name, made in reader.factories().items()}
    found = [app for reader in modules for app in reader.apps(factories)]
    found += [app for reader in modules for app in reader.imported(found)]
    remarks = [remark for reader in modules for remark in reader.remarks()]
    return sorted(found, key=_likelihood), remarks


def _likelihood(app: App) -> tuple[int | str, ...]:
    file = app.file.rpartition("/")[2]
    return (
        app.folder.count("/") + bool(app.folder) if app.folder != "src" else 0,
        0 if file in _ENTRY_FILES else 1 if file in _USUAL_FILES else 2,
        app.is_factory,
        0 if app.name in _USUAL_NAMES else 1,
        app.file.count("/"),
        app.file,
        app.target,
    )


class _Reader:
    """Reader of one module."""

    def __init__(self, tree: Tree, module: Module) -> None:
        self.tree, self.module = tree, module
        self.names = _imported_names(module.syntax)
        self.folder, self.dotted = _importable(tree, module)

    def factories(self) -> dict[str, _Made]:
        """Find the functions that create an app, by name."""
        return {
            function.name: made
            for function in self._functions()
            if isinstance(function, ast.FunctionDef) and (made := self._returned(function))
        }

    def apps(self, factories: dict[str, _Made]) -> Iterator[App]:
        """Find the apps that this module creates.

        :param factories: functions of all modules that create one.
        """
        for statement in _when_imported(self.module.syntax.body):
            for name, value in _assigned(statement):
                if made := self._made(value) or self._called(value, factories):
                    yield self._app(made, name, name, statement)
        own = self.factories()
        for function in self._functions():
            if made := _plain(function):
                yield self._app(made, function.name, function.name, function)
            elif function.name in own and not _required(function):
                yield self._app(own[function.name], f"{function.name}()", function.name, function)

    def imported(self, others: Sequence[App]) -> Iterator[App]:
        """Find apps of other modules that a `wsgi.py` or `asgi.py` imports."""
        if self.module.file not in _ENTRY_FILES:
            return
        known = {app.target: app for app in others if app.file != self.module.path}
        for node in self.module.syntax.body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if app := known.get(f"{node.module}:{alias.name}"):
                        name = alias.asname or alias.name
                        yield self._app(_Made(app.framework, app.interface), name, name, node)

    def remarks(self) -> Iterator[str]:
        """Remark on apps that only exist in a script run, or whose factory has required arguments."""
        for function in self._functions():
            if isinstance(function, ast.FunctionDef) and self._returned(function) and _required(function):
                yield (
                    f"{self._place(function)}: `{function.name}` creates an app, but requires the argument "
                    f"`{_required(function)}`; add a file wsgi.py that calls it"
                )
        for statement in self.module.syntax.body:
            if _is_script_part(statement):
                for inner in ast.walk(statement):
                    if isinstance(inner, ast.Assign) and self._made(inner.value):
                        yield (
                            f"{self._place(inner)}: `{self.module.line(inner)}` only runs when the file is a script; "
                            'move it above `if __name__ == "__main__"`'
                        )

    def _functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        body = _when_imported(self.module.syntax.body)
        return [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    def _returned(self, function: ast.FunctionDef) -> _Made | None:
        """Find the app that a function returns."""
        made: dict[str, _Made] = {}
        for node in ast.walk(function):
            for name, value in _assigned(node):
                if found := self._made(value):
                    made[name] = found
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                found = made.get(node.value.id) if isinstance(node.value, ast.Name) else self._made(node.value)
                if found:
                    return found
        return None

    def _made(self, value: ast.expr | None) -> _Made | None:
        """Find the app that a call creates, if any."""
        if not isinstance(value, ast.Call):
            return None
        if isinstance(value.func, ast.Attribute) and value.func.attr == "make_wsgi_app":
            return _Made("Pyramid", "wsgi")
        found = _MAKERS.get(self._full_name(value.func))
        return _Made(*found) if found else None

    @staticmethod
    def _called(value: ast.expr | None, factories: dict[str, _Made]) -> _Made | None:
        """Find the app of a factory that is called here."""
        if not isinstance(value, ast.Call):
            return None
        function = value.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        return factories.get(name)

    def _full_name(self, node: ast.expr) -> str:
        """Resolve the full name of a function, such as `flask.Flask`."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        return ".".join([self.names.get(node.id, node.id), *attributes]) if isinstance(node, ast.Name) else ""

    def _app(self, made: _Made, called: str, name: str, node: ast.stmt) -> App:
        return App(
            made.framework,
            made.interface,
            f"{self.dotted}:{called}",
            self.folder,
            self.module.path,
            name,
            f"{self._place(node)} has `{self.module.line(node)}`",
        )

    def _place(self, node: ast.stmt) -> str:
        return f"{self.module.path} line {node.lineno}"


def _imported_names(syntax: ast.Module) -> dict[str, str]:
    """Resolve imported names to full names."""
    names = {}
    for node in ast.walk(syntax):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
    return names


def _importable(tree: Tree, module: Module) -> tuple[str, str]:
    """Find the folder to import a module from, and its name there."""
    folder = module.folder
    while folder and tree.has(f"{folder}/__init__.py"):
        folder = folder.rpartition("/")[0]
    # A folder without __init__.py is a package, too, unless something in it marks it as a project's root.
    while folder and folder.rpartition("/")[2] != "src" and not _is_import_root(tree, folder, module):
        folder = folder.rpartition("/")[0]
    inside = module.path[len(folder) :].lstrip("/").removesuffix(".py").removesuffix("/__init__")
    return folder, inside.replace("/", ".")


def _is_import_root(tree: Tree, folder: str, module: Module) -> bool:
    if any(tree.has(f"{folder}/{name}") for name in _PROJECT_FILES):
        return True
    return folder == module.folder and any(tree.has(f"{folder}/{name}.py") for name in module.imports)


def _when_imported(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """List the statements that run when a module is imported, also those within conditions."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With) and not _is_script_part(statement):
            yield from _when_imported(statement.body)
            yield from _when_imported(getattr(statement, "orelse", []))


def _is_script_part(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__"`."""
    test = statement.test if isinstance(statement, ast.If) else None
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """List the names that an assignment sets, with the value."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value  # type: ignore[attr-defined]


def _plain(function: ast.FunctionDef | ast.AsyncFunctionDef) -> _Made | None:
    """Recognise a function that is an app by its arguments."""
    arguments = function.args.posonlyargs + function.args.args
    found = _CALLABLES.get(tuple(argument.arg for argument in arguments))
    if found is None or isinstance(function, ast.AsyncFunctionDef) != (found[1] == "asgi"):
        return None
    return _Made(*found)


def _required(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Find the first required argument of a function; empty without one."""
    arguments = function.args
    positional = arguments.posonlyargs + arguments.args
    required = positional[: len(positional) - len(arguments.defaults)]
    required += [one for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not default]
    return required[0].arg if required else ""
