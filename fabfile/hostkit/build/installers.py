"""Package installers: uv, pip, and the build tools that a host keeps."""

from __future__ import annotations

import ast
import functools
import glob
import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...contract.base import ResourceError
from ..linux import filesystem, folders
from .builder import NAME, Builder
from .requirements import Reader, is_list, lines, parts

# File in a folder that was built completely.
MARKER = ".hostsmith-complete"
# Options of pip's configuration, and the variables of uv with the same meaning. uv would ignore all others.
_UV_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "find-links": ("UV_FIND_LINKS",),
    "no-index": ("UV_NO_INDEX",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "retries": ("UV_HTTP_RETRIES",),
}
_SEPARATORS = {"find-links": ","}
# Where pip reads configuration; https://pip.pypa.io/en/stable/topics/configuration/ lists two more, the user's and the
# virtualenv's, which the build user does not have.
_PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf")
_PIP_VARIABLES = ("PIP_", "XDG_CONFIG_")
# Options about pip's output, and others without effect in a virtualenv.
_NO_MATTER = frozenset(
    {"break-system-packages", "cache-dir", "disable-pip-version-check", "log", "no-color", "no-input"}
    | {"no-warn-script-location", "progress-bar", "quiet", "require-virtualenv", "root-user-action", "verbose"}
)
# Options of a requirements file that pip follows and uv ignores.
_PIPS_OWN = re.compile(
    r"^\s*--(?:pre|prefer-binary|trusted-host|use-feature)\b|\s--(?:config-settings?|global-option)\b", re.MULTILINE
)
_REMOTE = re.compile(r"^\s*(?:-[rc]|--requirement|--constraint)[\s=]*\S+://", re.MULTILINE)
_HASHED = re.compile(r"(?:^|\s)--(?:hash=|require-hashes\b)", re.MULTILINE)
_OWN_INDEX = re.compile(r"^\s*(?:-i\b|--index-url\b|--pypi-url\b)", re.MULTILINE)
PLACE = "/opt/hostsmith"
# The distribution's own interpreter.
PYTHON = "/usr/bin/python3"
WHEELS = ("--only-binary", ":all:")
_UV = "uv>=0.9,<1"
# Seconds to download uv, and to wait for an index: pip's own limit is longer, with more retries.
_UV_TIMEOUT, _INDEX_TIMEOUT = 300, 15
# Variables that matter for downloads from elsewhere than an index.
_NETWORK = ("SSL_CERT_FILE", "SSL_CLIENT_CERT", "HTTP_PROXY", "HTTPS_PROXY", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES")


class Runner(Protocol):
    """Signature of `system.run`; a builder's runs as another user."""

    def __call__(
        self, argv: Sequence[str], *, cwd: str = "/", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end; raise `CommandError` when it fails."""


class NotForUvError(Exception):
    """An option that pip follows and uv ignores; the message names it."""


class Installer(Protocol):
    """Program that installs into a virtualenv."""

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        """Install packages into a virtualenv.

        :param path: of the virtualenv.
        :param arguments: packages, or options that pip and uv share.
        :param files: requirement files.
        :param cwd: folder to which relative paths in them are relative.
        """


@dataclass(frozen=True)
class Pip:
    """The pip of the virtualenv itself."""

    run: Runner
    env: Mapping[str, str] | None = None

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        pip = [f"{path}/bin/python", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        self.run([*pip, *_by_name(files), *arguments], cwd=cwd, env=self.env)


@dataclass(frozen=True)
class Uv:
    """uv with the configuration of the host's pip.

    :param program: path of uv.
    :param env: its environment, at least that of `uv_environment`.
    :param read: reads a requirements file.
    """

    run: Runner
    program: str
    env: Mapping[str, str]
    read: Reader = filesystem.read

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        """Install like pip.

        :raises NotForUvError: a file has an option that uv would ignore.
        """
        text = _content(files, self.read)
        if found := _PIPS_OWN.search(text) or _REMOTE.search(text):
            raise NotForUvError(f"`{found.group().strip()}` in the requirements")
        env = dict(self.env)
        if _OWN_INDEX.search(text):
            # In pip a file's own index replaces all configured ones; in uv it would be added.
            env = {name: value for name, value in env.items() if name not in ("UV_DEFAULT_INDEX", "UV_INDEX")}
        options = ["--quiet", "--no-config", "--python", f"{path}/bin/python"]
        hashed = ["--require-hashes"] if _HASHED.search(text) else []
        self.run([self.program, "pip", "install", *options, *hashed, *_by_name(files), *arguments], cwd=cwd, env=env)

    def install_project(self, path: str, file: str, left_out: Collection[str]) -> None:
        """Install the dependencies of a pyproject.toml from the sources that it sets for uv.

        :param left_out: variables that the file's own settings replace.
        """
        env = {name: value for name, value in self.env.items() if name not in left_out}
        argv = [self.program, "pip", "install", "--quiet", "--python", f"{path}/bin/python", "-r", file]
        self.run(argv, cwd=os.path.dirname(file), env=env)


def _by_name(files: Sequence[str]) -> list[str]:
    return [argument for file in files for argument in ("-r", file)]


def _content(files: Sequence[str], read: Reader) -> str:
    return "\n".join(line for path, content in parts(files, read) if is_list(path) for line in lines(path, content))


def fill(path: str, files: Sequence[str], packages: Sequence[str], installer: Installer) -> None:
    """Install requirement files and packages.

    :param path: of the virtualenv.
    :param packages: packages that are installed unless a file brought them.
    :raises ResourceError: a file is a lockfile.
    """
    for file in files:
        if not is_list(file):
            raise ResourceError(f"{file}: found a lockfile, expected a requirements file; only releases use lockfiles")
        # pip takes relative paths in a requirements file as relative to its working folder.
        installer.install(path, [], [file], cwd=os.path.dirname(file))
    if packages:
        # A package that a requirement brought keeps its version.
        installer.install(path, packages)


def pip_configuration(run: Runner, python: str) -> str:
    """Return the output of `pip config list`, without running it where pip has no configuration: it takes 0.25 s.

    :param python: an interpreter with pip.
    :raises CommandError: the configuration cannot be read.
    """
    if not any(map(os.path.exists, _PIP_FILES)) and not any(name.startswith(_PIP_VARIABLES) for name in os.environ):
        return ""
    return run([python, "-m", "pip", "config", "list"]).stdout.decode()


def uv_environment(listing: str, cache: str) -> dict[str, str]:
    """Translate the host's pip configuration into an environment for uv.

    :param listing: output of `pip_configuration`.
    :param cache: uv's cache.
    :raises NotForUvError: pip's configuration has an option that uv lacks.
    """
    env = {
        "UV_CACHE_DIR": cache,
        # Never hard links into the cache: who can write the cache must not write the virtualenv.
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        # Like pip: the app's user cannot write bytecode beside its modules.
        "UV_COMPILE_BYTECODE": "1",
        # Like pip: the best version of all indexes.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    for name, value in _pip_options(listing).items():
        if name in _NO_MATTER:
            continue
        if name not in _UV_NAMES:
            raise NotForUvError(f"`{name}` in the host's configuration of pip")
        value = _SEPARATORS.get(name, " ").join(value.split())
        env.update(dict.fromkeys(_UV_NAMES[name], value))
    return env


def _pip_options(listing: str) -> dict[str, str]:
    """Read pip's options for `pip install`: the command's own override the global ones, the environment both."""
    order = ("global", "install", ":env:")
    sections: dict[str, dict[str, str]] = {section: {} for section in order}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in sections and value:
            sections[section][name] = str(ast.literal_eval(value))
    return {name: value for section in order for name, value in sections[section].items()}


def _network(run: Runner, python: str) -> dict[str, str]:
    """Read the host's pip configuration of proxies and certificates."""
    try:
        found = uv_environment(pip_configuration(run, python), "")
    except NotForUvError:
        return {}
    return {name: value for name, value in found.items() if name in _NETWORK}


class Tools:
    """Programs that build virtualenvs and are no part of them: installed once per host and kept.

    Root's interpreter installs them as a build user that runs nothing of any app; root owns them from then on. The
    folder's name has a hash of the ingredients, so that no version replaces another one that may be in use.

    :param timeout: limit in seconds for each command.
    """

    def __init__(self, timeout: float, place: str = PLACE) -> None:
        self._builder, self._timeout, self._place = Builder(NAME), timeout, place
        self.run: Runner = functools.partial(self._builder.run, timeout=timeout)
        self._blanks: dict[str, str] = {}

    def python(self) -> str:
        """Return the path of an interpreter with pip that no app could change.

        :raises CommandError: it cannot be created.
        """
        return f"{self.blank(PYTHON)}/bin/python"

    def uv(self) -> str:
        """Return the path of uv, installed if missing.

        :raises CommandError: it cannot be installed.
        """
        run = functools.partial(self._builder.run, timeout=min(self._timeout, _UV_TIMEOUT))
        pip = [self.python(), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        # Not from source, which needs a compiler and takes many minutes.
        options = ["--no-deps", "--no-cache-dir", *WHEELS, "--retries=1", f"--timeout={_INDEX_TIMEOUT}"]
        folder = self._kept("uv", [_UV], lambda folder: run([*pip, *options, f"--target={folder}", "--", _UV]))
        return f"{folder}/bin/uv"

    def library(self, name: str, packages: Sequence[str], installer: Installer) -> str:
        """Return the folder from which `python` can import a tool, installed if missing.

        :param packages: the tool and what it needs.
        :param installer: installs them as the user of `run`.
        :raises CommandError: it cannot be installed.
        """
        blank = self.blank(PYTHON)

        def install(folder: str) -> None:
            # Wheels only: none of their code runs during installation.
            installer.install(blank, ["--target", folder, *WHEELS, *packages])

        return self._kept(name, [*packages, blank], install)

    def blank(self, python: str) -> str:
        """Return the folder of an interpreter's empty virtualenv, for `virtualenv.copy_empty`.

        :param python: an interpreter owned by root.
        :raises CommandError: it is missing, or cannot create virtualenvs.
        """
        if python not in self._blanks:
            made_of = [python, self.run([python, "-VV"]).stdout.decode()]
            name = f"venv-{_file_name(os.path.basename(python))}"
            self._blanks[python] = self._kept(name, made_of, lambda folder: self.run([python, "-m", "venv", folder]))
        return self._blanks[python]

    def interpreter(self, request: str) -> str:
        """Return the path of an interpreter that uv installs.

        :param request: its version, as uv takes it.
        :raises ResourceError: it, or uv, cannot be installed.
        """

        def install(folder: str) -> None:
            env = {"UV_PYTHON_INSTALL_DIR": folder, "UV_NO_CACHE": "1", "UV_NO_PROGRESS": "1"}
            argv = [uv, "python", "install", "--no-bin", "--", request]
            self.run(argv, env={**_network(self.run, self.python()), **env})

        uv = self.uv()
        folder = self._kept(f"python-{_file_name(request)}", [request], install)
        found = sorted(glob.glob(f"{folder}/*/bin/python3"))
        if not found:
            raise ResourceError(f"there is no interpreter in {folder}, where uv should have installed Python {request}")
        return found[0]

    def _kept(self, name: str, made_of: Sequence[str], install: Callable[[str], object]) -> str:
        key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:32]
        folder = f"{self._place}/{name}-{key}"
        if filesystem.read(f"{folder}/{MARKER}") == key.encode():
            return folder
        # An incomplete folder is not in use. It is built in its final place, because its scripts contain the path.
        folders.remove(folder)
        folders.make(folder)
        try:
            with self._builder.owning(folder):
                install(folder)
        except BaseException:
            folders.remove(folder)
            raise
        folders.sync_tree(folder)
        filesystem.write_atomic(f"{folder}/{MARKER}", key.encode(), mode=0o644)
        return folder


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text).strip("-")[:40]
