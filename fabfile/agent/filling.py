"""Filling a virtualenv with what the files of a release ask for, by uv or pip, as the user who builds."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from ..resources.base import ResourceError
from . import blank, filesystem, locks, requirements, system
from .builder import Builder
from .events import note
from .installers import Installer, NotForUvError, Pip, Uv, pip_configuration, uv_environment
from .tools import Tools

# For what is no app's: nothing out of an app's cache, and nothing that is run often enough to be compiled.
_APART = {"UV_NO_CACHE": "1", "UV_COMPILE_BYTECODE": "0"}


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
class _UvOrPip:
    """uv, or pip for what uv would do in another way."""

    uv: Uv
    pip: Pip

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        try:
            self.uv.install(path, arguments, files, cwd)
        except NotForUvError as error:
            note(f"pip installs them and not uv, because of {error}")
            self.pip.install(path, arguments, files, cwd)


class Filling:
    """One virtualenv of a release, on its way from nothing to whole.

    :param path: where it will be: an empty folder.
    :param python: the interpreter.
    :param files: requirement files and locks.
    :param packages: as of `fill`.
    :param timeout: seconds that a single command may take.
    :param builder: who runs all commands.
    """

    def __init__(
        self,
        path: str,
        python: str,
        files: Sequence[str],
        packages: Sequence[str],
        timeout: float,
        builder: Builder,
    ) -> None:
        self._path, self._python, self._files, self._packages = path, python, files, packages
        self._builder = builder
        self._run = functools.partial(builder.run, timeout=timeout)
        self._tools = Tools(builder, timeout)
        self._uv = ""

    def make(self) -> None:
        """Make it.

        :raises ResourceError: a program failed, or cannot be had.
        """
        blank.copy(self._tools.blank(self._python), self._path)
        if not self._files and not self._packages:
            return
        installer, kept_apart = self._installers()
        lines = {file: self._lines(file, kept_apart) for file in self._files if not requirements.is_list(file)}
        local = [self._builder.code] if requirements.has_local(self._files) else []
        with self._builder.owning(self._path, *local):
            for file in self._files:
                if file in lines:
                    self._install_lines(file, lines[file], installer)
                else:
                    fill(self._path, [file], [], installer)
            fill(self._path, [], self._packages, installer)

    def _installers(self) -> tuple[Installer, Installer]:
        """What installs, and the same without the app's cache."""
        pip = f"{self._path}/bin/python"
        plain, apart = Pip(self._run), Pip(self._run, {"PIP_NO_CACHE_DIR": "1"})
        try:
            self._uv = self._tools.uv(pip)
            env = uv_environment(pip_configuration(self._run, pip), self._builder.uv_cache)
        except system.CommandError as error:
            note(f"uv cannot be had on this host, so pip does its work: {_reason(error)}")
            return plain, apart
        except NotForUvError as error:
            note(f"pip installs them and not uv, because of {error}")
            return plain, apart
        uv = Uv(self._run, self._uv, env)
        return _UvOrPip(uv, plain), _UvOrPip(Uv(self._run, self._uv, {**env, **_APART}), apart)

    def _lines(self, file: str, installer: Installer) -> locks.Lines:
        """What a lock or a pyproject.toml asks for."""
        folder, name = os.path.split(file)
        if name == requirements.PYPROJECT:
            return locks.of_project(file, lambda argv: self._run(argv).stdout.decode(), f"{self._path}/bin/python")
        if name == "Pipfile.lock":
            return locks.split(locks.pipfile_lock(file))
        if name == "uv.lock":
            if not self._uv:
                raise ResourceError(_no_reader(name, "uv"))
            argv = [self._uv, *locks.UV_EXPORT, "--python", f"{self._path}/bin/python"]
            with self._builder.owning():
                # In its place: a workspace has more files than these.
                return locks.split(self._run(argv, cwd=folder, env={"UV_NO_CACHE": "1"}).stdout.decode())
        return locks.split(self._exported(file, locks.EXPORTERS[name], installer))

    def _exported(self, file: str, exporter: locks.Exporter, installer: Installer) -> str:
        """What the tool that has written a lock says of it."""
        folder, name = os.path.split(file)
        try:
            library = self._tools.library(exporter.name, exporter.packages, self._path, installer)
        except system.CommandError as error:
            raise ResourceError(f"{_no_reader(name, exporter.name)}\n{error}") from error
        python = f"{self._path}/bin/python"
        env = {**exporter.env, "PYTHONPATH": library, "PDM_PYTHON": python}
        # In a copy, because pdm writes beside its lock.
        with tempfile.TemporaryDirectory(prefix="hostsmith-lock-") as copy:
            for part in (name, requirements.LOCKS[name]):
                shutil.copy(f"{folder}/{part}", copy)
            with self._builder.owning(copy):
                argv = [python, "-m", exporter.name, *exporter.argv]
                return self._run(argv, cwd=copy, env=env).stdout.decode().replace(copy, folder)

    def _install_lines(self, file: str, lines: locks.Lines, installer: Installer) -> None:
        # A lock names all there is to install.
        options = ["--no-deps"] if lines.complete else []
        for kind, text in (("hashed", lines.hashed), ("other", lines.other)):
            if text:
                target = f"{self._path}/{os.path.basename(file)}.{kind}.txt"
                filesystem.write_atomic(target, text.encode(), mode=0o644)
                installer.install(self._path, options, [target], cwd=os.path.dirname(file))


def _reason(error: Exception) -> str:
    """The line of a failed program that says why: its last."""
    return str(error).strip().splitlines()[-1]


def _no_reader(name: str, tool: str) -> str:
    return (
        f"{name} is read by {tool}, which cannot be installed on this host; see that its package index has {tool}, "
        f"or have {tool} export the lock as a requirements file, commit that and name it in `requirements`"
    )
