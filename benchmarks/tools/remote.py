"""Untimed work on hosts without the tools: scripts over ssh, pushes of the app."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .base import Way


class RemoteError(Exception):
    """A command that prepares a host failed; the message has its output."""


def ssh(way: Way) -> list[str]:
    """Build the command that logs in to a host, bypassing the proxy."""
    return ["ssh", *options(way), f"{way.user}@{way.address}"]


def options(way: Way) -> list[str]:
    """Build OpenSSH's options for the key and the known host."""
    return ["-i", str(way.key), "-oBatchMode=yes", f"-oUserKnownHostsFile={way.known_hosts}"]


def run_script(ways: Sequence[Way], script: Path, *words: str) -> None:
    """Run a shell script on hosts, with arguments."""
    text = script.read_text()
    _each(ways, lambda way: _call([*ssh(way), shlex.join(["sh", "-s", "--", *words])], stdin=text))


def push(repository: Path, ways: Sequence[Way], path: str) -> None:
    """Push the commits to a bare repository on each of the hosts."""

    def one(way: Way) -> None:
        command = shlex.join(["ssh", *options(way)])
        url = f"{way.user}@{way.address}:{path}"
        _call(["git", "-C", str(repository), "push", "-q", "--force", url, "HEAD:main"], GIT_SSH_COMMAND=command)

    _each(ways, one)


def _each(ways: Sequence[Way], work: Callable[[Way], None]) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, ways))


def _call(argv: list[str], stdin: str = "", **environment: str) -> None:
    done = subprocess.run(
        argv, input=stdin, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RemoteError(f"{shlex.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
