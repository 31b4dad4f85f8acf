"""Queries of OpenSSH: options of a host, `known_hosts`, revocation lists."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import pwd
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paramiko.config import SSHConfig, SSHConfigDict

from ..errors import HostKeyError

if TYPE_CHECKING:
    from fabric import Config, Connection

# Seconds a program may take: it may wait for a `Match exec` or a name server.
_TIMEOUT = 10
# The options for the route to a host and the login.
_WAY = ("hostname", "user", "port", "proxyjump", "proxycommand", "identityfile")
# Lines that paramiko ignores or reads differently from ssh: it takes a comment after a value for a part of the value.
_HALF_READ = re.compile(
    r"^[ \t]*(?:(?:match|canonicalizehostname)\b|include\b[ \t=]*(?P<files>.*)$|[^#\s].*[ \t]#)",
    re.MULTILINE | re.IGNORECASE,
)

_Pairs = tuple[tuple[str, str], ...]


def options(c: Connection) -> Mapping[str, str]:
    """Ask ssh for its options for the host of a connection: values by keyword in lower case.

    Without ssh, or if Fabric's configuration is not from files, they are as paramiko reads them.

    :raises HostKeyError: ssh cannot read its configuration.
    """
    try:
        pairs = _pairs(c.config, "-p", str(c.port), "-l", str(c.user), "--", c.original_host)
    except LookupError:
        return dict(c.ssh_config)
    return dict(reversed(pairs))


def _pairs(config: Config, *arguments: str) -> _Pairs:
    """Run ssh with the files of a configuration.

    :raises LookupError: the configuration is not from files, or ssh is missing or does not work for this user: it asks
        the system for the user's name and home.
    :raises HostKeyError: ssh cannot read them.
    """
    files = _files(config)
    if _once(config.base_ssh_config._config) != _once(_read(files)):
        raise LookupError
    try:
        flags, text = _flags(files, pwd.getpwuid(os.getuid()).pw_dir)
        return _query((*flags, *arguments), text)
    except FileNotFoundError:
        raise LookupError from None


class WholeConfig(SSHConfig):
    """Fabric's SSH configuration, with the routes and logins that only ssh can read.

    :param read: the configuration as paramiko has read it.
    """

    def __init__(self, config: Config, read: SSHConfig) -> None:
        super().__init__()
        self._config = vars(read)["_config"]
        self._of = config

    def lookup(self, hostname: str) -> SSHConfigDict:
        return whole(self._of, hostname, super().lookup(hostname))


def whole(config: Config, name: str, found: SSHConfigDict) -> SSHConfigDict:
    """Complete paramiko's options of a host by ssh's, if ssh reads more; `options` reports errors of ssh.

    Only the route and the login change; Fabric uses them where nothing else sets them.
    """
    if not _is_half_read(_files(config)):
        return found
    with contextlib.suppress(LookupError, HostKeyError):
        pairs = _pairs(config, "--", name)
        answers: dict[str, Any] = dict(reversed(pairs))
        route = {"hostname": answers["hostname"]}
        for option, default in (("user", pwd.getpwuid(os.getuid()).pw_name), ("port", "22")):
            if option in found or answers[option] != default:
                route[option] = answers[option]
        route |= {way: answers[way] for way in ("proxyjump", "proxycommand") if answers.get(way, "none") != "none"}
        if "proxyjump" in route:
            # ssh puts addresses in brackets, which Fabric would take for a part of a name.
            route["proxyjump"] = re.sub(r"\[([\d.]+|[^]]+(?=\](?:,|$)))\]", r"\1", route["proxyjump"])
        elif "proxyjump" in found and "proxycommand" not in route:
            route["proxyjump"] = "none"
        keys = [value for option, value in pairs if option == "identityfile"]
        own = {} if keys == _usual_keys() else {"identityfile": keys}
        # paramiko expands `%h` and the like.
        answer = SSHConfig()
        vars(answer)["_config"] = [{"host": ["*"], "config": {**route, **own}}]
        rest = {option: value for option, value in found.items() if option not in _WAY}
        return SSHConfigDict({**rest, **answer.lookup(name)})
    return found


@functools.cache
def _is_half_read(files: tuple[str, ...]) -> bool:
    """Whether ssh may read more in files than paramiko does; every Debian has an `Include` that matches nothing."""
    for path in filter(os.path.isfile, files):
        with open(path, encoding="utf-8", errors="replace") as file:
            found = [line["files"] for line in _HALF_READ.finditer(file.read())]
        folders = (os.path.expanduser("~/.ssh"), os.path.dirname(path))
        if any(files is None or _is_of_files(files, folders) for files in found):
            return True
    return False


def _is_of_files(patterns: str, folders: tuple[str, ...]) -> bool:
    """Whether an `Include` may match files in one of ssh's folders."""
    names = [os.path.expanduser(name) for name in patterns.split()]
    there = any(glob.glob(os.path.join(folder, name)) for name in names for folder in folders)
    return there or not set("%$'\"#").isdisjoint(patterns)


@functools.cache
def _usual_keys() -> list[str]:
    return [value for option, value in _query(("-F", "none", "--", "localhost"), "") if option == "identityfile"]


def _files(config: Config) -> tuple[str, ...]:
    """List the files that Fabric reads: the only one, or the user's and the system's."""
    if config._runtime_ssh_path:
        return (os.path.expanduser(config._runtime_ssh_path),)
    paths = (config._user_ssh_path, config._system_ssh_path) if config.load_ssh_configs else ()
    return tuple(map(os.path.expanduser, paths))


@functools.cache
def _read(files: tuple[str, ...]) -> Any:
    """Read files by paramiko, to distinguish a configuration from files from one that a fabfile has made."""
    found = SSHConfig()
    for path in filter(os.path.isfile, files):
        with open(path, encoding="utf-8") as file:
            found.parse(file)
    return vars(found)["_config"]


def _once(sections: list[Any]) -> list[Any]:
    """Remove repeated sections: Fabric reads the files again for each further task of a command line."""
    return [section for number, section in enumerate(sections) if section not in sections[:number]]


def _flags(files: tuple[str, ...], home: str) -> tuple[tuple[str, ...], str]:
    """Return the flags to make ssh read the same files, and its standard input.

    :param home: the user's home in the system's database, which ssh uses instead of $HOME.
    """
    if len(files) < 2:
        return ("-F", *(files or ("none",))), ""
    if files == (f"{home}/.ssh/config", "/etc/ssh/ssh_config"):
        return (), ""
    known = " ".join(f'"{os.path.expanduser(f"~/.ssh/{name}")}"' for name in ("known_hosts", "known_hosts2"))
    include = "".join(f'Include "{path}"\n' for path in files)
    return ("-F", "/dev/stdin"), f"{include}Host *\nUserKnownHostsFile {known}\n"


@functools.cache
def _query(arguments: tuple[str, ...], text: str) -> _Pairs:
    # A file, because ssh reads a configuration with `Match final` twice.
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        done = _run("ssh", "-T", "-G", *arguments, stdin=file.fileno())
    if done.returncode:
        raise HostKeyError(f"{arguments[-1]}: ssh cannot read its configuration for this host: {_first_line(done)}")
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return tuple((name, value) for name, _, value in pairs)


def known_lines(name: str, path: Path) -> list[str] | None:
    """Find the lines of a `known_hosts` file for a host; None without ssh-keygen.

    :raises HostKeyError: the file cannot be read.
    """
    try:
        done = _run("ssh-keygen", "-F", name, "-f", str(path))
    except FileNotFoundError:
        return None
    if done.returncode not in (0, 1) or (done.returncode and done.stdout):
        raise HostKeyError(f"{path}: ssh-keygen cannot read it: {_first_line(done)}")
    return [line for line in done.stdout.split("\n") if not line.startswith("#")]


def is_in_list(line: str, revoked: Path) -> bool:
    """Whether a binary list of revoked keys has a key, or cannot be checked.

    :param line: the key as a line of a public key file.
    :raises FileNotFoundError: ssh-keygen is missing.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as file:
        file.write(f"{line}\n")
        file.flush()
        return _run("ssh-keygen", "-Q", "-f", str(revoked), file.name).returncode != 0


def _run(*argv: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """Run a program of OpenSSH.

    :raises FileNotFoundError: it is missing.
    :raises HostKeyError: it takes too long.
    """
    try:
        # In a new session, so that Ctrl-C reaches only us, and that it cannot ask on our terminal.
        return subprocess.run(
            argv,
            stdin=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise HostKeyError(f"{argv[-1]}: no answer from {argv[0]} within {_TIMEOUT} s; try `ssh -G`") from None


def _first_line(done: subprocess.CompletedProcess[str]) -> str:
    return next(iter(done.stderr.strip().splitlines()), f"exit status {done.returncode}")
