"""Calls of this machine's programs (ip, nft, debootstrap) with clear errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

from ..errors import SandboxError

Progress = Callable[[str], None]

# Program -> the Debian/Ubuntu package that carries it.
_PACKAGES = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def require_machine() -> None:
    """Check that this machine can run a sandbox.

    :raises SandboxError: not Linux, not root, or a program is missing; the message names a way out.
    """
    instead = "or deploy to a real server: fab -H user@server provision deploy"
    if not sys.platform.startswith("linux"):
        raise SandboxError(f"sandbox hosts need Linux; this is {sys.platform}. Use a Linux machine, {instead}")
    if os.geteuid() != 0:
        raise SandboxError(f"sandbox hosts need root; this is uid {os.geteuid()}. Run it with sudo, {instead}")
    missing = [program for program in _PACKAGES if shutil.which(program, path=_PATH) is None]
    if missing:
        packages = " ".join(dict.fromkeys(_PACKAGES[program] for program in missing))
        raise SandboxError(
            f"sandbox hosts need {', '.join(missing)}, not found on this machine. "
            f"Run: apt-get install {packages}, {instead}"
        )


def environment() -> dict[str, str]:
    """Build the environment of programs: full PATH, C locale, the caller's proxies, no secrets."""
    proxies = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
    return {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **proxies}


def proxies() -> dict[str, str]:
    """Collect the proxy variables of this process for the hosts."""
    return {name: value for name, value in environment().items() if name in _PROXIES}


def call(argv: Sequence[str], *, what: str, stdin: str | None = None) -> str:
    """Run a program and return its stdout.

    :param what: the purpose, for the error ("making the bridge").
    :raises SandboxError: it fails or is missing; with the program's message.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            env=environment(),
            umask=0o022,  # files of a base must be readable in it, whatever the caller's umask
            check=False,
        )
    except OSError as error:
        raise SandboxError(f"{what}: cannot run {argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        output = "\n  ".join(words) or f"exit code {done.returncode}"
        raise SandboxError(f"{what}: {argv[0]} failed:\n  {output}")
    return done.stdout


def succeeds(argv: Sequence[str]) -> bool:
    """Whether the program ends with exit code 0; its output is dropped."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        check=False,
    )
    return done.returncode == 0
