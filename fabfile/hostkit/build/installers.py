"""The two programs that fill a virtualenv: uv, which is fast, and pip, which is always there. Both fill it the same."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..linux import filesystem
from .requirements import Reader, is_list, lines, parts
from .runner import Runner

# What pip is told by its configuration, and how uv is told the same. Whatever else is there, uv would not heed.
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
# Where pip is told something, on a host and in a process; https://pip.pypa.io/en/stable/topics/configuration/ has them
# and two more, the user's own and the virtualenv's, which who builds has not.
_PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf")
_PIP_VARIABLES = ("PIP_", "XDG_CONFIG_")
# How pip talks, and what is of no consequence in a virtualenv of ours.
_NO_MATTER = frozenset(
    {"break-system-packages", "cache-dir", "disable-pip-version-check", "log", "no-color", "no-input"}
    | {"no-warn-script-location", "progress-bar", "quiet", "require-virtualenv", "root-user-action", "verbose"}
)
# What a requirement file may say to pip, and uv passes over.
_PIPS_OWN = re.compile(
    r"^\s*--(?:pre|prefer-binary|trusted-host|use-feature)\b|\s--(?:config-settings?|global-option)\b", re.MULTILINE
)
_REMOTE = re.compile(r"^\s*(?:-[rc]|--requirement|--constraint)[\s=]*\S+://", re.MULTILINE)
_HASHED = re.compile(r"(?:^|\s)--(?:hash=|require-hashes\b)", re.MULTILINE)
_OWN_INDEX = re.compile(r"^\s*(?:-i\b|--index-url\b|--pypi-url\b)", re.MULTILINE)


class NotForUvError(Exception):
    """Something that pip heeds and uv would not; the message says what."""


class Installer(Protocol):
    """What installs into a virtualenv."""

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        """Install into the virtualenv at a path.

        :param arguments: packages, or options that pip and uv share.
        :param files: requirement files.
        :param cwd: what relative paths in them are relative to.
        """


@dataclass(frozen=True)
class Pip:
    """A virtualenv's own pip."""

    run: Runner
    env: Mapping[str, str] | None = None

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        pip = [f"{path}/bin/python", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        self.run([*pip, *_by_name(files), *arguments], cwd=cwd, env=self.env)


@dataclass(frozen=True)
class Uv:
    """uv, told what the host's pip is told.

    :param program: path of uv.
    :param env: its environment, of `uv_environment` at least.
    :param read: how requirement files are read.
    """

    run: Runner
    program: str
    env: Mapping[str, str]
    read: Reader = filesystem.read

    def install(self, path: str, arguments: Sequence[str], files: Sequence[str] = (), cwd: str = "/") -> None:
        """As pip does.

        :raises NotForUvError: a file says something to pip that uv would not heed.
        """
        text = _content(files, self.read)
        if found := _PIPS_OWN.search(text) or _REMOTE.search(text):
            raise NotForUvError(f"`{found.group().strip()}` in the requirements")
        env = dict(self.env)
        if _OWN_INDEX.search(text):
            # In pip a file's own index takes the place of all that are configured; in uv it would be one more.
            env = {name: value for name, value in env.items() if name not in ("UV_DEFAULT_INDEX", "UV_INDEX")}
        options = ["--quiet", "--no-config", "--python", f"{path}/bin/python"]
        hashed = ["--require-hashes"] if _HASHED.search(text) else []
        self.run([self.program, "pip", "install", *options, *hashed, *_by_name(files), *arguments], cwd=cwd, env=env)

    def install_project(self, path: str, file: str, left_out: Collection[str]) -> None:
        """Install what a pyproject.toml asks for, from where it says, as uv itself has it.

        :param left_out: names of the environment in whose place the file's own settings are.
        """
        env = {name: value for name, value in self.env.items() if name not in left_out}
        argv = [self.program, "pip", "install", "--quiet", "--python", f"{path}/bin/python", "-r", file]
        self.run(argv, cwd=os.path.dirname(file), env=env)


def _by_name(files: Sequence[str]) -> list[str]:
    return [argument for file in files for argument in ("-r", file)]


def _content(files: Sequence[str], read: Reader) -> str:
    return "\n".join(line for path, content in parts(files, read) if is_list(path) for line in lines(path, content))


def pip_configuration(run: Runner, python: str) -> str:
    """What `pip config list` prints; nothing where pip is told nothing: it would take a quarter of a second to say so.

    :param python: of a virtualenv that has pip.
    :raises CommandError: the configuration cannot be read.
    """
    if not any(map(os.path.exists, _PIP_FILES)) and not any(name.startswith(_PIP_VARIABLES) for name in os.environ):
        return ""
    return run([python, "-m", "pip", "config", "list"]).stdout.decode()


def uv_environment(listing: str, cache: str) -> dict[str, str]:
    """What uv is told so that it looks where the host's pip looks.

    :param listing: of `pip_configuration`.
    :param cache: uv's cache.
    :raises NotForUvError: pip's configuration has what uv cannot be told.
    """
    env = {
        "UV_CACHE_DIR": cache,
        # Never one file for the cache and for a virtualenv: who can write the one must not write the other.
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        # As pip: who runs the app cannot write beside its modules.
        "UV_COMPILE_BYTECODE": "1",
        # As pip: the best version of all indexes.
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
    """pip's options for `pip install`; the command's own win over those for all, and the environment over both."""
    order = ("global", "install", ":env:")
    sections: dict[str, dict[str, str]] = {section: {} for section in order}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in sections and value:
            sections[section][name] = str(ast.literal_eval(value))
    return {name: value for section in order for name, value in sections[section].items()}
