"""Installation of a release's requirements into its virtualenv."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...contract.base import ResourceError
from ...contract.events import note
from ..linux import filesystem, source_file, system
from . import locks, origins, requirements, virtualenv
from .builder import Builder
from .installers import Installer, NotForUvError, Pip, Runner, Tools, Uv, fill, pip_configuration, uv_environment

# For tools of the host: no app's cache, and no bytecode for what rarely runs.
_APART = {"UV_NO_CACHE": "1", "UV_COMPILE_BYTECODE": "0"}

# Files beside a pyproject.toml that may set where dependencies come from; their tool, and what to commit instead.
_OTHER_FILES = (("uv.toml", "uv", "uv.lock"), ("pdm.toml", "PDM", "pdm.lock"), ("pylock.toml", "uv or pip", "uv.lock"))


@dataclass(frozen=True)
class _Pip:
    """pip, for code without sources in tables of uv's."""

    pip: Pip
    documents: Sequence[origins.Document]

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        for document in self.documents:
            document.require_no_sources()
        self.pip.install(path, arguments, files, cwd)

    def install_project(self, path: str, file: str, document: origins.Document) -> None:
        """Refuse a pyproject.toml with tables of uv's.

        :raises ResourceError: always.
        """
        document.require_nothing_of_uv()


@dataclass(frozen=True)
class _UvOrPip:
    """uv, or pip where uv would behave differently."""

    uv: Uv
    pip: _Pip

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        try:
            self.uv.install(path, arguments, files, cwd)
        except NotForUvError as error:
            note(f"installing with pip instead of uv because of {error}")
            self.pip.install(path, arguments, files, cwd)

    def install_project(self, path: str, file: str, document: origins.Document) -> None:
        """Install the dependencies of a pyproject.toml from the sources in its tables of uv's."""
        # uv takes a package from the first index that has it, not the newest version of all; and the indexes of the
        # host's pip must not precede those that the project names.
        others = ("UV_INDEX", "UV_FIND_LINKS") if document.has_index() else ()
        default = ("UV_DEFAULT_INDEX",) if document.has_default_index() else ()
        self.uv.install_project(path, file, ("UV_INDEX_STRATEGY", *others, *default))


class Filling:
    """Builds one virtualenv of a release.

    :param path: an empty folder.
    :param python: the interpreter, owned by root.
    :param code: folder of the code, in which pip builds the requirements that are folders of it.
    :param files: requirement files and locks in the code.
    :param packages: as in `fill`.
    :param builder: runs all commands.
    :param tools: the host's build tools.
    :param timeout: limit in seconds for each command.
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
        # The virtualenv has pip, and so its TOML parser.
        self._tree = origins.CodeTree(code, lambda path: origins.read(path, self._output, f"{self._path}/bin/python"))
        # Files written for the installers, by path.
        self._written: dict[str, bytes] = {}

    def make(self) -> None:
        """Build it.

        :raises ResourceError: a program failed or could not be installed.
        """
        virtualenv.copy_empty(self._tools.blank(self._python), self._path)
        if not self._files and not self._packages:
            return
        # Reading and writing happens while the folders are root's.
        with self._builder.owning():
            installer = self._installer()
            steps = [self._step(file, installer) for file in self._files]
        local = [self._code] if requirements.has_local(self._files, self._read) else []
        with self._builder.owning(self._path, *local):
            for step in steps:
                step()
            fill(self._path, [], self._packages, installer)

    def _output(self, argv: Sequence[str]) -> str:
        return self._run(argv).stdout.decode()

    def _read(self, path: str) -> bytes | None:
        return self._written.get(path) or source_file.read(self._code, path)

    def _installer(self) -> _Pip | _UvOrPip:
        """Choose the installer."""
        pinned, local = requirements.pinned(self._files, self._read), self._tree.local(self._files, self._read)
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
        """Return uv with the configuration of the host's pip.

        :raises _NoUvError: it cannot be installed, or would ignore configuration that the host's pip follows.
        """
        try:
            program = self._tools.uv()
            env = uv_environment(pip_configuration(run, self._tools.python()), cache)
        except system.CommandError as error:
            raise _NoUvError(f"installing with pip, since uv cannot be installed here: {_reason(error)}") from error
        except NotForUvError as error:
            raise _NoUvError(f"installing with pip instead of uv because of {error}") from error
        return Uv(run, program, {**env, **more}, self._read)

    def _step(self, file: str, installer: _Pip | _UvOrPip) -> Callable[[], None]:
        """Prepare the installation of a file."""
        name = os.path.basename(file)
        if requirements.is_list(file):
            return functools.partial(fill, self._path, [file], [], installer)
        if name == requirements.PYPROJECT:
            return self._project(file, installer)
        text, lines = self._locked(file)
        locks.require_told_apart(name, text, lines)
        return self._lines(file, lines, installer)

    def _project(self, file: str, installer: _Pip | _UvOrPip) -> Callable[[], None]:
        document = self._tree.document(file)
        if document is None:
            raise ResourceError(f"{file}: there is no pyproject.toml")
        self._tree.require_whole(os.path.dirname(file), document)
        lines = locks.of_project(document)
        for name, tool, lock in _OTHER_FILES:
            if (other := self._tree.parsed(os.path.dirname(file), name)) and other.says_origins():
                raise document.refused(f"{name} beside it", tool, lock)
        if not document.of_uv():
            return self._lines(file, lines, installer)
        return functools.partial(installer.install_project, self._path, file, document)

    def _locked(self, file: str) -> tuple[str, locks.RequirementLines]:
        """Return the text of a lockfile or of its export, and its lines."""
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
            # In the source itself: a workspace has more files than these.
            exported = self._run(argv, cwd=folder, env={"UV_NO_CACHE": "1"}).stdout.decode()
            return content.decode("utf-8", "replace"), locks.split(exported)
        text = self._exported(file, locks.EXPORTERS[name])
        return text, locks.split(text)

    def _exported(self, file: str, exporter: locks.Exporter) -> str:
        """Export a lockfile with the tool that wrote it."""
        folder, name = os.path.split(file)
        python = self._tools.python()
        try:
            library = self._tools.library(exporter.name, exporter.packages, self._tools_installer())
        except system.CommandError as error:
            raise ResourceError(f"{_no_reader(name, exporter.name)}\n{error}") from error
        env = {**exporter.env, "PYTHONPATH": library, "PDM_PYTHON": f"{self._path}/bin/python"}
        # In a copy, because pdm writes beside its lockfile.
        files = {part: self._read(f"{folder}/{part}") or b"" for part in (name, requirements.LOCKS[name])}
        copy = self._builder.lend(files)
        argv = [python, "-m", exporter.name, *exporter.argv]
        return self._run(argv, cwd=copy, env=env).stdout.decode().replace(copy, folder)

    def _tools_installer(self) -> Installer:
        """Choose the installer of tools: without an app's cache, and without bytecode."""
        try:
            return self._uv_of(self._tools.run, "/nonexistent", **_APART)
        except _NoUvError:
            return Pip(self._tools.run, {"PIP_NO_CACHE_DIR": "1"})

    def _lines(self, file: str, lines: locks.RequirementLines, installer: Installer) -> Callable[[], None]:
        # A lockfile is complete.
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
    """uv cannot be used; the message has the reason."""


def _reason(error: Exception) -> str:
    """Return the last line of a failed program's output, which has the reason."""
    return str(error).strip().splitlines()[-1]


def _no_reader(name: str, tool: str) -> str:
    return (
        f"{name} needs {tool}, which cannot be installed on this host; add {tool} to the host's package index, or "
        f"export the lockfile with {tool} as a requirements file, commit that and name it in `requirements`"
    )
