"""Filling a virtualenv with what the files of a release ask for, by uv or pip, as the user who builds."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...contract.base import ResourceError
from ...contract.events import note
from ..linux import filesystem, source_file, system
from . import blank, locks, origins, requirements
from .builder import Builder
from .installers import Installer, NotForUvError, Pip, Uv, pip_configuration, uv_environment
from .runner import Runner
from .tools import Tools

# For what is no app's: nothing out of an app's cache, and nothing that is run often enough to be compiled.
_APART = {"UV_NO_CACHE": "1", "UV_COMPILE_BYTECODE": "0"}

# What may say, beside a pyproject.toml, where its dependencies come from; who reads it, and what to commit instead.
_OTHER_FILES = (("uv.toml", "uv", "uv.lock"), ("pdm.toml", "PDM", "pdm.lock"), ("pylock.toml", "uv or pip", "uv.lock"))


def fill(path: str, files: Sequence[str], packages: Sequence[str], installer: Installer) -> None:
    """Install what requirement files ask for.

    :param path: of the virtualenv.
    :param packages: those that are installed unless a file brought them.
    :raises ResourceError: a file is a lock.
    """
    for file in files:
        if not requirements.is_list(file):
            raise ResourceError(f"{file}: found a lock, expected a requirements file; locks are for releases of an app")
        # Relative paths in a requirement file are relative to where the installer runs.
        installer.install(path, [], [file], cwd=os.path.dirname(file))
    if packages:
        # What a requirement brought is left as it is, whatever its version.
        installer.install(path, packages)


@dataclass(frozen=True)
class _Pip:
    """pip, unless something says by uv's tables where it comes from."""

    pip: Pip
    documents: Sequence[origins.Document]

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        for document in self.documents:
            document.require_no_sources()
        self.pip.install(path, arguments, files, cwd)

    def install_project(self, path: str, file: str, document: origins.Document) -> None:
        """Refuse it: it says something by uv's tables."""
        document.require_nothing_of_uv()


@dataclass(frozen=True)
class _UvOrPip:
    """uv, or pip for what uv would do in another way."""

    uv: Uv
    pip: _Pip

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        try:
            self.uv.install(path, arguments, files, cwd)
        except NotForUvError as error:
            note(f"pip installs them and not uv, because of {error}")
            self.pip.install(path, arguments, files, cwd)

    def install_project(self, path: str, file: str, document: origins.Document) -> None:
        """Install what a pyproject.toml asks for, from where its tables of uv's say."""
        # Of several indexes uv takes the first that has a package, not the newest version of all; and what the host's
        # pip is told comes before none that the project names.
        others = ("UV_INDEX", "UV_FIND_LINKS") if document.has_index() else ()
        default = ("UV_DEFAULT_INDEX",) if document.has_default_index() else ()
        self.uv.install_project(path, file, ("UV_INDEX_STRATEGY", *others, *default))


class Filling:
    """One virtualenv of a release, on its way from nothing to whole.

    :param path: where it will be: an empty folder.
    :param python: the interpreter, which is root's.
    :param code: the folder of the code, in which pip builds what the requirements name of it.
    :param files: requirement files and locks in it.
    :param packages: as of `fill`.
    :param builder: who runs all commands.
    :param tools: of the host.
    :param timeout: seconds that a single command may take.
    """

    def __init__(
        self,
        path: str,
        python: str,
        code: str,
        files: Sequence[str],
        packages: Sequence[str],
        builder: Builder,
        tools: Tools,
        timeout: float,
    ) -> None:
        self._path, self._python, self._code, self._files, self._packages = path, python, code, files, packages
        self._builder, self._tools = builder, tools
        self._run = functools.partial(builder.run, timeout=timeout)
        # What was written for the installers, by its path.
        self._written: dict[str, bytes] = {}

    def make(self) -> None:
        """Make it.

        :raises ResourceError: a program failed, or cannot be had.
        """
        blank.copy(self._tools.blank(self._python), self._path)
        if not self._files and not self._packages:
            return
        # All is read while the folders are root's, and written then, too.
        with self._builder.owning():
            installer = self._installer()
            steps = [self._step(file, installer) for file in self._files]
        local = [self._code] if requirements.has_local(self._files, self._read) else []
        with self._builder.owning(self._path, *local):
            for step in steps:
                step()
            fill(self._path, [], self._packages, installer)

    def _read(self, path: str) -> bytes | None:
        return self._written.get(path) or source_file.read(self._code, path)

    def _installer(self) -> _Pip | _UvOrPip:
        """What installs."""
        pinned, local = requirements.pinned(self._files, self._read), self._local()
        for document in local:
            document.require_nothing_beside_sources(pinned)
        pip = _Pip(Pip(self._run), local)
        try:
            uv = self._uv_of(self._run, self._builder.uv_cache)
        except _NoUvError as error:
            note(str(error))
            return pip
        return _UvOrPip(uv, pip)

    def _uv_of(self, run: Runner, cache: str, **more: str) -> Uv:
        """uv, run by somebody.

        :raises _NoUvError: it cannot be had, or would not heed what the host's pip does.
        """
        try:
            program = self._tools.uv()
            env = uv_environment(pip_configuration(run, self._tools.python()), cache)
        except system.CommandError as error:
            raise _NoUvError(f"uv cannot be had on this host, so pip does its work: {_reason(error)}") from error
        except NotForUvError as error:
            raise _NoUvError(f"pip installs them and not uv, because of {error}") from error
        return Uv(run, program, {**env, **more}, self._read)

    def _local(self) -> list[origins.Document]:
        """The pyproject.toml of each folder of the code that something asks for, and of those that these ask for."""
        queue = []
        for folder, found in requirements.folders(self._files, self._read):
            real = os.path.realpath(folder)
            if self._is_inside(folder) and self._is_inside(real) and not os.path.exists(real):
                raise ResourceError(f"{found}, and nothing at {os.path.relpath(folder, self._code)} in the source")
            queue.append(folder)
        for file in self._files:
            if os.path.basename(file) == requirements.PYPROJECT and (document := self._document(file)):
                queue += document.folders(os.path.dirname(file))
        documents: dict[str, origins.Document | None] = {}
        while queue:
            folder = queue.pop()
            if folder not in documents:
                document = documents[folder] = self._document(f"{folder}/{requirements.PYPROJECT}")
                queue += document.folders(folder) if document else ()
        wholes = [self._whole_of(folder) for folder, document in documents.items() if document]
        return [document for document in (*documents.values(), *wholes) if document]

    def _whole_of(self, folder: str) -> origins.Document | None:
        """What the uv workspace says that a folder of the code is a part of: uv respects its sources there, too."""
        for above in self._above(folder):
            document = self._parsed(above, requirements.PYPROJECT)
            if document and document.has_part(os.path.relpath(folder, above)):
                return document
        return None

    def _above(self, folder: str) -> Iterator[str]:
        """The folders of the code above one of them."""
        while self._is_inside(folder := os.path.dirname(folder)):
            yield folder

    def _is_inside(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self._code}/")

    def _document(self, path: str) -> origins.Document | None:
        """A pyproject.toml of the code, which says nothing that nobody respects; None when there is none there."""
        document = self._parsed(*os.path.split(path))
        if document is not None:
            document.require_no_others()
        return document

    def _parsed(self, folder: str, name: str) -> origins.Document | None:
        path = f"{folder}/{name}"
        if not self._is_inside(path) or source_file.read(self._code, path) is None:
            return None
        return origins.read(path, lambda argv: self._run(argv).stdout.decode(), f"{self._path}/bin/python")

    def _require_whole(self, folder: str, document: origins.Document) -> None:
        """See that nothing above a folder of the code, such as its uv workspace, says what would be passed over."""
        for above in self._above(folder):
            read = functools.partial(self._parsed, above)
            has_lock = os.path.lexists(f"{above}/uv.lock")
            if found := origins.above(document, os.path.relpath(folder, above), read, has_lock):
                raise ResourceError(
                    f"{os.path.relpath(folder, self._code)}/{requirements.PYPROJECT}: found {found} in the folder "
                    f"{os.path.relpath(above, self._code)} of the source, which uv would respect and is passed over "
                    "here; name the uv.lock of that folder in `requirements`"
                )

    def _step(self, file: str, installer: _Pip | _UvOrPip) -> Callable[[], None]:
        """What installs a file: its text, or what it asks for."""
        name = os.path.basename(file)
        if requirements.is_list(file):
            return functools.partial(fill, self._path, [file], [], installer)
        if name == requirements.PYPROJECT:
            return self._project(file, installer)
        text, lines = self._locked(file)
        locks.require_told_apart(name, text, lines)
        return self._lines(file, lines, installer)

    def _project(self, file: str, installer: _Pip | _UvOrPip) -> Callable[[], None]:
        document = self._document(file)
        if document is None:
            raise ResourceError(f"{file}: found nothing, expected a pyproject.toml")
        self._require_whole(os.path.dirname(file), document)
        lines = locks.of_project(document)
        for name, tool, lock in _OTHER_FILES:
            if (other := self._parsed(os.path.dirname(file), name)) and other.says_origins():
                raise document.refused(f"{name} beside it", tool, lock)
        if not document.of_uv():
            return self._lines(file, lines, installer)
        return functools.partial(installer.install_project, self._path, file, document)

    def _locked(self, file: str) -> tuple[str, locks.Lines]:
        """A lock, or what is exported of it: its text, and its lines."""
        folder, name = os.path.split(file)
        content = self._read(file) or b""
        if name == "Pipfile.lock":
            text = locks.pipfile_lock(file, content)
            return text, locks.split(text)
        if name == "uv.lock":
            try:
                uv = self._tools.uv()
            except system.CommandError as error:
                raise ResourceError(f"{_no_reader(name, 'uv')}\n{error}") from error
            argv = [uv, *locks.UV_EXPORT, "--python", f"{self._path}/bin/python"]
            # In its place: a workspace has more files than these.
            exported = self._run(argv, cwd=folder, env={"UV_NO_CACHE": "1"}).stdout.decode()
            return content.decode("utf-8", "replace"), locks.split(exported)
        text = self._exported(file, locks.EXPORTERS[name])
        return text, locks.split(text)

    def _exported(self, file: str, exporter: locks.Exporter) -> str:
        """What the tool that has written a lock says of it."""
        folder, name = os.path.split(file)
        python = self._tools.python()
        try:
            library = self._tools.library(exporter.name, exporter.packages, self._tools_installer())
        except system.CommandError as error:
            raise ResourceError(f"{_no_reader(name, exporter.name)}\n{error}") from error
        env = {**exporter.env, "PYTHONPATH": library, "PDM_PYTHON": f"{self._path}/bin/python"}
        # In a copy, because pdm writes beside its lock.
        files = {part: self._read(f"{folder}/{part}") or b"" for part in (name, requirements.LOCKS[name])}
        copy = self._builder.lend(files)
        argv = [python, "-m", exporter.name, *exporter.argv]
        return self._run(argv, cwd=copy, env=env).stdout.decode().replace(copy, folder)

    def _tools_installer(self) -> Installer:
        """What installs tools: nothing out of an app's cache, and nothing that is compiled."""
        try:
            return self._uv_of(self._tools.run, "/nonexistent", **_APART)
        except _NoUvError:
            return Pip(self._tools.run, {"PIP_NO_CACHE_DIR": "1"})

    def _lines(self, file: str, lines: locks.Lines, installer: Installer) -> Callable[[], None]:
        # A lock names all there is to install.
        options = ["--no-deps"] if lines.complete else []
        targets = []
        for kind, text in (("hashed", lines.hashed), ("other", lines.other)):
            if text:
                target = f"{self._path}/{len(self._written)}-{os.path.basename(file)}.{kind}.txt"
                self._written[target] = text.encode()
                filesystem.write_atomic(target, text.encode(), mode=0o644)
                targets.append(target)

        def install() -> None:
            for target in targets:
                installer.install(self._path, options, [target], cwd=os.path.dirname(file))

        return install


class _NoUvError(Exception):
    """uv does not install; the message says why."""


def _reason(error: Exception) -> str:
    """The line of a failed program that says why: its last."""
    return str(error).strip().splitlines()[-1]


def _no_reader(name: str, tool: str) -> str:
    return (
        f"{name} is read by {tool}, which cannot be installed on this host; see that its package index has {tool}, "
        f"or have {tool} export the lock as a requirements file, commit that and name it in `requirements`"
    )
