"""Copies of folders by rsync with the settings of a Fabric Connection."""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fabric import Connection
from invoke.runners import Result

from ..errors import HostKeyError, PatchworkError
from ..openssh.host import bracketed
from .ssh_options import ssh_options
from .util import quote_path, said

# How rsync passes a remote path depends on its version: raw to the remote shell (old), escaped (3.2.4 and newer), or
# around the shell (-s), where wildcards still match. Here all pass it raw and quoted: then it is
# literal with each of them, and a leading `~` is a home.
_ENVIRONMENT = {"RSYNC_OLD_ARGS": "1", "RSYNC_PROTECT_ARGS": "0"}
_PROTECT_ARGS = ("-s", "--protect-args", "--secluded-args")

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def rsync(
    c: Connection,
    source: Paths,
    target: str | os.PathLike[str],
    exclude: str | Iterable[str] = (),
    delete: bool = False,
    strict_host_keys: bool = True,
    rsync_opts: str | Iterable[str] = "",
    ssh_opts: str = "",
    **local_options: Any,
) -> Result:
    """Copy local files and folders to the host of `c`; only differences are sent.

    It runs the local `rsync -pthrvz`; both sides need rsync. A slash at the end of a source folder means its content;
    without it, the folder itself.

    :param source: a path. A string that names no existing path is split into several and its wildcards expanded, as
        a shell would do; each entry of a list is one literal path.
    :param target: the path on the host, literal but for a leading `~`; relative to the user's home. Its parent has
        to be there.
    :param exclude: one or more patterns of rsync's `--exclude`.
    :param delete: also remove on the host what is not in the source (and is not excluded).
    :param strict_host_keys: True adds the key of an unknown host and refuses a changed one, unless the
        ssh_config has a rule for this host; False accepts everything.
    :param rsync_opts: further options of rsync; a string is split as a shell would do. Remote paths among them are
        expanded by the remote shell.
    :param ssh_opts: further options of ssh, as written in rsync's `--rsh`. They override those of `c`.
    :param local_options: passed to `c.local`: `hide=True`, `echo=True`; `warn=True` returns the result of a failed
        run instead of raising.
    :raises HostKeyError: the host shows another key than the known one.
    :raises PatchworkError: `c` is not a Connection, a source is missing, rsync is missing on a side, or it failed.
    """
    _require(c)
    sources = _sources(source, _local_folder(c))
    destination = _remote(c, target)
    options = [*_options(exclude, delete, rsync_opts), _rsh(c, ssh_opts, strict_host_keys)]
    return _run(c, [*options, "--", *sources, destination], local_options)


def rsync_get(
    c: Connection,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    exclude: str | Iterable[str] = (),
    delete: bool = False,
    strict_host_keys: bool = True,
    rsync_opts: str | Iterable[str] = "",
    ssh_opts: str = "",
    **local_options: Any,
) -> Result:
    """Copy a file or folder of the host to this machine, with the arguments of `rsync`.

    :param source: one path on the host.
    :param target: a local path.
    :raises HostKeyError, PatchworkError: as `rsync`.
    """
    _require(c)
    options = [*_options(exclude, delete, rsync_opts), _rsh(c, ssh_opts, strict_host_keys)]
    return _run(c, [*options, "--", _remote(c, source), _not_an_option(os.fspath(target))], local_options)


def _require(c: Any) -> None:
    if not isinstance(c, Connection):
        raise PatchworkError(
            f"rsync needs a Connection to a host, found {type(c).__name__}: run the task with `fab -H HOST` or give "
            "it a fabric.Connection."
        )
    if not shutil.which("rsync"):
        raise PatchworkError("This machine has no program 'rsync' in its PATH: install the package rsync.")


def _options(exclude: str | Iterable[str], delete: bool, rsync_opts: str | Iterable[str]) -> list[str]:
    patterns = [exclude] if isinstance(exclude, str) else [str(pattern) for pattern in exclude]
    further = _shell_words(rsync_opts, "rsync_opts") if isinstance(rsync_opts, str) else list(rsync_opts)
    return [
        *(["--delete"] if delete else []),
        *(f"--exclude={pattern}" for pattern in patterns),
        "-pthrvz",
        *(word for word in further if word not in _PROTECT_ARGS),
    ]


def _rsh(c: Connection, ssh_opts: str, strict_host_keys: bool) -> str:
    # ssh uses the first value of an option, so the caller's options come first.
    words = [_rsh_word(word) for word in ssh_options(c, strict_host_keys)]
    return "--rsh=" + " ".join(["ssh", *([ssh_opts] if ssh_opts else []), *words])


def _rsh_word(word: str) -> str:
    """Quote a word for `--rsh` of rsync(1): quotes hold spaces and are doubled inside; no backslashes."""
    return word if re.fullmatch(r"""[^ '"]+""", word) else "'" + word.replace("'", "''") + "'"


def _remote(c: Connection, path: str | os.PathLike[str]) -> str:
    return f"{bracketed(c.original_host)}:{quote_path(path) if os.fspath(path) else ''}"


def _local_folder(c: Connection) -> Path:
    """Return the folder in which `c.local` runs: Fabric applies `c.cd` to it as well."""
    return Path(c.cwd.replace("\\ ", " ")).expanduser()


def _sources(source: Paths, folder: Path) -> list[str]:
    if isinstance(source, str):
        paths = [source] if os.path.lexists(folder / source) else _expanded(source, folder)
    else:
        paths = [os.fspath(source)] if isinstance(source, os.PathLike) else [os.fspath(path) for path in source]
    missing = [path for path in paths if not os.path.lexists(folder / path)]
    if missing or not paths:
        raise PatchworkError(f"rsync: nothing to copy at {missing or source!r}, looked in {folder.absolute()}.")
    return [_not_an_option(path) for path in paths]


def _expanded(source: str, folder: Path) -> list[str]:
    try:
        words = _shell_words(source, "source")
    except PatchworkError:  # an apostrophe in a name
        return [source]
    return [path for word in words for path in (sorted(glob.glob(word, root_dir=folder)) or [word])]


def _shell_words(text: str, name: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise PatchworkError(f"rsync: {name} is {text!r}, which a shell cannot split: {problem}.") from None
    return [os.path.expandvars(os.path.expanduser(word)) for word in words]


def _not_an_option(path: str) -> str:
    """Prefix a local path that rsync would read as an option or as `host:path`."""
    return f"./{path}" if path.startswith("-") or ":" in path.partition("/")[0] else path


def _run(c: Connection, arguments: list[str], local_options: dict[str, Any]) -> Result:
    tolerated = local_options.pop("warn", False)
    # replace_env: an environment without SSH_AUTH_SOCK would hide the agent that the Connection itself uses.
    environment = {**c.config.run.env, **_ENVIRONMENT, **local_options.pop("env", {})}
    settings = {"replace_env": False, **local_options, "env": environment, "warn": True}
    result: Result = c.local(shlex.join(["rsync", *arguments]), **settings)
    if not result.ok and not tolerated:
        _raise_failure(c, result)
    return result


def _raise_failure(c: Connection, result: Result) -> None:
    text = said(c, result)
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in result.stderr + result.stdout:
        raise HostKeyError(
            f"{c.host} does not show the host key in known_hosts, so nothing was copied. If the host was "
            f"reinstalled, remove the old key with `ssh-keygen -R`.\n{text}"
        )
    # 127 is the remote shell's "command not found"; rsync passes it on, or exits with 12 when it only lost its peer.
    if result.exited == 127 or (result.exited == 12 and "not found" in text):
        raise PatchworkError(f"{c.host} has no program 'rsync': install it, as with package(c, 'rsync').\n{text}")
    if result.exited in (12, 255) and not _ssh_can_log_in_as(c):
        text += "\n(ssh cannot use the password or the key in memory of this Connection: give it a key_filename.)"
    raise PatchworkError(f"rsync with {c.host} failed (exit {result.exited}): {text}")


def _ssh_can_log_in_as(c: Connection) -> bool:
    return bool(c.connect_kwargs.get("key_filename")) or not {"password", "pkey"} & set(c.connect_kwargs)
